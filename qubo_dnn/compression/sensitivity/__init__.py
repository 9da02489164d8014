"""A quadratic model of the loss over all changes of weights, measured from gradients."""
