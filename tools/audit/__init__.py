"""What public checkers find in the environments' templates, beside the reasons why it stays."""
