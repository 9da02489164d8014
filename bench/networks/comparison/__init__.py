"""Methods side by side on the shipped networks: runs, results, page and picture."""
