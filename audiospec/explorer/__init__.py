"""The page of `audiospec explore`: look at a store's tracks, listen to them, sort them, correct their labels.

`session` answers the page's questions, from the table of tracks (`catalogue`), runs (`outputs`), findings and
corrections; `server` is HTTP around it, `security` guards that, and `export` writes a copy without a server.
"""
