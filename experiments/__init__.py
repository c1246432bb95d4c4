"""Trials and measurements that tables and pictures of `docs` come from, one command each."""
