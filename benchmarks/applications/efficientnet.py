"""EfficientNet-B0 (Tan and Le, arXiv:1905.11946), with TensorFlow's padding and the preprocessing inside the net."""

import torch
from mobilenet import Conv2dSame
from torch import nn

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Preprocess(nn.Module):
    """Pixels from 0 to 255, to mean 0 and deviation 1."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1))

    def forward(self, x):
        return (x / 255 - self.mean) / self.std


class ConvNormAct(nn.Sequential):
    def __init__(self, cin, cout, kernel=1, stride=1, groups=1, act=nn.SiLU):
        conv = Conv2dSame(cin, cout, kernel, stride, groups=groups, bias=False)
        layers = [conv, nn.BatchNorm2d(cout, eps=1e-3, momentum=0.01)]
        super().__init__(*layers, *([act(inplace=True)] if act else []))


class SqueezeExcite(nn.Module):
    def __init__(self, channels, squeezed):
        super().__init__()
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)
        self.activation = nn.SiLU(inplace=True)

    def forward(self, x):
        return x * self.fc2(self.activation(self.fc1(x.mean((2, 3), keepdim=True)))).sigmoid()


class DropPath(nn.Module):
    """Drops a residual branch of whole samples in training."""

    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, x):
        if not self.training or not self.p:
            return x
        keep = torch.rand(x.shape[0], 1, 1, 1, device=x.device, dtype=x.dtype) >= self.p
        return x * keep / (1 - self.p)


class MBConv(nn.Module):
    def __init__(self, cin, cout, kernel, stride, expand, drop):
        super().__init__()
        wide = cin * expand
        layers = [ConvNormAct(cin, wide)] if expand > 1 else []
        layers.append(ConvNormAct(wide, wide, kernel, stride, groups=wide))
        layers.append(SqueezeExcite(wide, max(1, cin // 4)))
        layers.append(ConvNormAct(wide, cout, act=None))
        self.block = nn.Sequential(*layers)
        self.drop_path = DropPath(drop)
        self.skip = stride == 1 and cin == cout

    def forward(self, x):
        return x + self.drop_path(self.block(x)) if self.skip else self.block(x)


class EfficientNetB0(nn.Module):
    stages = (
        # expansion, kernel, stride, channels, blocks
        (1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3),
        (6, 5, 1, 112, 3), (6, 5, 2, 192, 4), (6, 3, 1, 320, 1),
    )  # fmt: skip

    def __init__(self, num_classes=1000, drop_connect=0.2):
        super().__init__()
        self.preprocess = Preprocess()
        self.stem, channels = ConvNormAct(3, 32, 3, 2), 32
        blocks, total = [], sum(stage[-1] for stage in self.stages)
        for expand, kernel, stride, cout, count in self.stages:
            for i in range(count):
                drop = drop_connect * len(blocks) / total
                blocks.append(MBConv(channels, cout, kernel, stride if i == 0 else 1, expand, drop))
                channels = cout
        self.blocks = nn.Sequential(*blocks)
        self.head = ConvNormAct(channels, 1280)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, num_classes))

    def forward(self, x):
        x = self.head(self.blocks(self.stem(self.preprocess(x))))
        return self.classifier(x.mean((2, 3)))
