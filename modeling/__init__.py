"""The model as it stands on the Hub: configuration, network, processors, pipeline."""
