-- Redis script: counts an attempt within a window of time that begins with the first one. Used by features/rate_limit.lua.
-- KEYS[1]: the counter.
-- ARGV[1]: the length of the window in seconds.
-- Returns the number of attempts within the window, this one included.
local attempts = redis.call("INCR", KEYS[1])
if attempts == 1 then redis.call("EXPIRE", KEYS[1], ARGV[1]) end
return attempts
