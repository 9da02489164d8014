"""What compiling formulations takes, against the same models written in pyqubo alone."""
