"""The first five minutes: prose, a small encoder and one page of pictures, with no hub and no data."""
