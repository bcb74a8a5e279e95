"""What torch computes, written with keras.ops in Keras's layout: remedies are made of these, and run in float64."""
