"""The long format: samples as rows of CSV, JSON Lines or Parquet, as people exchange them."""
