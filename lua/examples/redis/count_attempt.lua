-- Redis script: counts an attempt within a time window that starts with the first one. Used by
-- features/rate_limit.lua.
-- KEYS[1]: the counter.
-- ARGV[1]: the length of the window in seconds.
-- Returns the number of attempts within the window, including this one.
local attempts = redis.call("INCR", KEYS[1])
if attempts == 1 then redis.call("EXPIRE", KEYS[1], ARGV[1]) end
return attempts
