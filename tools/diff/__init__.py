"""What a deployment of the working tree would change, compared with another version of the source."""
