"""Other people's files in, and our results in the forms that other people's tools take."""
