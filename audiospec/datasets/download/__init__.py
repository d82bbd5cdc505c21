"""Download published datasets: fetch, resume, unpack."""
