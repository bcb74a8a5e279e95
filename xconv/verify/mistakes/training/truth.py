"""What is planted in training, and what only looks wrong."""

from .. import Case, Net

NETS = {
    "Classifier": Net(((7, 3, 9, 9),)),
    "Regressor": Net(((6, 3, 8, 9),)),
}


def train(name, cause="", torch=None, keras=None, net="Classifier", recipe="classify", at=("", ""), **more):
    """One set-up on both sides, and what is varied; places are the set-ups themselves unless told."""
    return Case(name, net, cause, torch=torch or {}, keras=keras or {}, at=at, mode="training", recipe=recipe, **more)


def adam(**more):
    return {"optimizer": "Adam", "rate": 1e-3} | more


CASES = [
    train("trained_alike"),
    train("trained_with_momentum_alike", torch={"momentum": 0.9}, keras={"momentum": 0.9}),
    train("trained_with_nesterov_alike", torch={"momentum": 0.8, "nesterov": True},
          keras={"momentum": 0.8, "nesterov": True}),
    train("penalty_is_half_the_decay", torch={"weight_decay": 0.02}, keras={"penalty": 0.01}),
    train("clipped_together_alike", torch={"clip": 0.05}, keras={"global_clipnorm": 0.05}),
    train("smoothed_alike", torch={"smoothing": 0.1}, keras={"smoothing": 0.1}),
    train("dropout_alike", torch={"dropout": 0.3}, keras={"dropout": 0.3}),
    train("schedules_alike", recipe="classify_decaying"),
    train("rates_by_hand_alike", torch={"rates": (0.1, 0.05, 0.01)}, keras={"rates": (0.1, 0.05, 0.01)}),
    train("regressed_alike", net="Regressor", recipe="regress", torch={"kind": "huber"}, keras={"kind": "huber"}),
    train("decoupled_decay_alike", torch={"optimizer": "SGD", "weight_decay": 0.0}, keras={"weight_decay": None}),

    train("logits_taken_for_probabilities", "loss.logits", keras={"logits": False}),
    train("loss_summed", "loss.reduction", torch={"reduction": "sum"}),
    train("labels_not_smoothed", "loss.label_smoothing", torch={"smoothing": 0.1}),
    train("labels_smoothed_otherwise", "loss.label_smoothing", torch={"smoothing": 0.1}, keras={"smoothing": 0.2}),
    train("class_weights_forgotten", "loss.class_weight", torch={"weights": [1.0, 2.0, 0.5, 4.0, 1.5]}),
    train("huber_for_squares", "loss.kind", net="Regressor", recipe="regress", torch={"kind": "huber"}),
    train("huber_of_another_width", "loss.delta", net="Regressor", recipe="regress",
          torch={"kind": "huber", "delta": 0.5}, keras={"kind": "huber"}),

    train("penalty_is_the_decay", "regulariser.factor", torch={"weight_decay": 0.02}, keras={"penalty": 0.02}),
    train("penalty_on_kernels_only", "regulariser.scope", torch={"weight_decay": 0.02},
          keras={"penalty": 0.01, "biases": False}),
    train("decay_forgotten", "optimizer.weight_decay", torch={"weight_decay": 0.02}),
    train("decay_decoupled_in_keras", "optimizer.decoupled_decay", torch={"momentum": 0.9, "weight_decay": 0.02},
          keras={"momentum": 0.9, "weight_decay": 0.02}),

    train("adam_epsilon_left_at_default", "optimizer.epsilon", torch=adam(), keras=adam()),
    train("adam_epsilon_before_the_correction", "optimizer.epsilon_place", torch=adam(eps=1e-6),
          keras=adam(epsilon=1e-6), note="a law of the frameworks: they part, and no setting helps"),
    train("adam_decays_otherwise", "optimizer.momentum", torch=adam(eps=1e-7, betas=(0.9, 0.99)),
          keras=adam(), also=("optimizer.epsilon_place",)),
    train("rmsprop_epsilon_inside_the_root", "optimizer.epsilon_place",
          torch={"optimizer": "RMSprop", "rate": 1e-3, "alpha": 0.9, "eps": 1e-7},
          keras={"optimizer": "RMSprop", "rate": 1e-3}),
    train("adam_for_sgd", "optimizer.kind", torch={"rate": 1e-3}, keras=adam()),
    train("momentum_forgotten", "optimizer.momentum", torch={"momentum": 0.9}),
    train("nesterov_forgotten", "optimizer.nesterov", torch={"momentum": 0.9, "nesterov": True},
          keras={"momentum": 0.9}),
    train("momentum_dampened_in_torch", "optimizer.dampening", torch={"momentum": 0.9, "dampening": 0.1},
          keras={"momentum": 0.9}),
    train("clipped_each_not_together", "optimizer.clipping", torch={"clip": 0.05}, keras={"clipnorm": 0.05}),
    train("clipped_by_value", "optimizer.clipping", torch={"clip": 0.05}, keras={"clipvalue": 0.05}),
    train("rate_ten_times", "optimizer.learning_rate", keras={"rate": 0.01}),
    train("rate_dropped_one_step_late", "optimizer.schedule", torch={"rates": (0.1, 0.01, 0.01)},
          keras={"rates": (0.1, 0.1, 0.01)}),
    train("schedule_of_other_steps", "optimizer.schedule", recipe="classify_decaying", torch={"steps": 1}),
    train("rate_changed_under_momentum", "optimizer.rate_in_buffer",
          torch={"rates": (0.1, 0.01, 0.01), "momentum": 0.9}, keras={"rates": (0.1, 0.01, 0.01), "momentum": 0.9}),
    train("layer_frozen_in_keras", "optimizer.trainable", keras={"frozen": True}),
    train("gradient_stopped_in_keras", "gradient.stopped", keras={"stop": True}, at=("bn1 conv1", "bn1 act1 conv1")),
    train("gradient_detached_in_torch", "gradient.stopped", torch={"detach": True},
          at=("bn1 conv1", "bn1 act1 conv1")),
    train("norm_frozen_in_keras", "gradient.frozen_statistics", keras={"frozen_norm": True}, at=("bn1", "bn1")),
    train("norm_momentum_in_training", "norm.momentum", keras={"norm_momentum": 0.1}, at=("bn1", "bn1")),
    train("dropout_of_another_rate", "dropout.rate", torch={"dropout": 0.3}, keras={"dropout": 0.5},
          at=("drop", "drop")),
]  # fmt: skip
