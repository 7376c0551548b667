"""The audit: findings of public checkers in the environments' templates, and the reasons why they stay."""
