"""Parts of features that are computed by pretrained networks: their weights, and what reads them."""
