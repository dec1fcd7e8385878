"""Asset collections: manifests, labels, licences and splits."""
