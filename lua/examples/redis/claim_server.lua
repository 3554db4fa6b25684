-- Redis script: returns the backend server for a session of an account: the server of its other sessions,
-- if that is up. Used by filters/monitoring.lua. As a script it is atomic, so two simultaneous logins get
-- the same server.
-- KEYS[1]: a hash with the servers of the account's sessions, by session.
-- ARGV[1]: the new session, or "" to look only.
-- ARGV[2]: how many seconds the account stays with its server after the last login.
-- ARGV[3...]: the servers that are up; the first is used if the account has none of them yet.
-- Returns the server.

-- More than any user's clients open. Further sessions are not stored, so that the hash stays small even if their end is not reported.
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
    -- Sessions on a server that is down are lost.
    redis.call("DEL", KEYS[1])
    claimed = ARGV[3]
end

if ARGV[1] ~= "" then
    if redis.call("HLEN", KEYS[1]) < SESSIONS_MAX then redis.call("HSET", KEYS[1], ARGV[1], claimed) end
    redis.call("EXPIRE", KEYS[1], ARGV[2])
end
return claimed
