"""The models of a catalogue as .onnx files with a free batch, for servers."""
