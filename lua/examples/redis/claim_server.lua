-- Redis script: which backend server a session of an account belongs to: that of its other sessions, if it is alive. Used by
-- filters/monitoring.lua; one script, so that two logins at the same moment agree.
-- KEYS[1]: a hash, the servers of the account's sessions by session.
-- ARGV[1]: the session that begins, or "" to look only.
-- ARGV[2]: for how many seconds the account stays with its server after the last login.
-- ARGV[3...]: the servers that are alive; the first is taken if the account has none of them yet.
-- Returns the server.

-- More than any user's clients open. What is above is not remembered, so that a hash stays small even if nobody tells when sessions end.
local SESSIONS_MAX = 100

local alive = {}
for place = 3, #ARGV do alive[ARGV[place]] = true end

local claimed
for _, server in ipairs(redis.call("HVALS", KEYS[1])) do
    if alive[server] then
        claimed = server
        break
    end
end
if not claimed then
    -- Whoever was with a server that is gone has lost the session.
    redis.call("DEL", KEYS[1])
    claimed = ARGV[3]
end

if ARGV[1] ~= "" then
    if redis.call("HLEN", KEYS[1]) < SESSIONS_MAX then redis.call("HSET", KEYS[1], ARGV[1], claimed) end
    redis.call("EXPIRE", KEYS[1], ARGV[2])
end
return claimed
