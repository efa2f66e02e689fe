"""cmGAN (Dai et al., IJCAI 2018): a modality discriminator that any network can be put against."""
