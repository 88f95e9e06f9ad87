"""Train sentence encoders with generated hard negatives."""
