"""From audio to log-mel patches: checks, resampling, the spectrogram."""
