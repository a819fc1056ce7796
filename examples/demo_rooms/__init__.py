"""The rooms of the demo: what each page shows and does. `demo.py` is the door."""
