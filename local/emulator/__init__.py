"""The committed template deployed with SAM onto a local AWS: what `make deploy-local` and its test do."""
