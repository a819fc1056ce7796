"""What the command lines tell: findings as plain data, and their texts; no framework here."""
