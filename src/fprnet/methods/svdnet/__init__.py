"""SVDNet (Sun et al., ICCV 2017): restraint and relaxation of SVD layers."""
