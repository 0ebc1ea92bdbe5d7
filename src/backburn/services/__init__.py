"""What the command line and Python share: open a case, audit, repair, attack, export, save."""
