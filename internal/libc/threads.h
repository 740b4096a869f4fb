int pledge_restrict_all_threads(int ruleset, int tasks);
