"""What is particular to Flask; what all adapters share is in the contract."""
