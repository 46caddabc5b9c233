# make bench [ROUNDS=5] [ONLY=sqlite3,jq]: recording and reading against heaptrack; results in $(O)/bench/
bench: all ## measure against heaptrack
	$(Q)tests/bench/bench.py --build $(O) --rounds $(or $(ROUNDS),5) --only "$(ONLY)"

.PHONY: bench
