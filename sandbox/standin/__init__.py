"""What the stand-ins of outside HTTP services share: log, scripted faults, windows, pages."""
