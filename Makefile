.PHONY: help
help: ## Show this list
	@grep -hE "^[a-z-]+:.*##" $(MAKEFILE_LIST)
