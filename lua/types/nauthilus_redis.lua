---@meta nauthilus_redis

--- Redis: commands, scripts, pipelines, pools, encryption.
--- The handle is "default", the server's own Redis, or what get_redis_connection returns. Keys are
--- used as given. A missing key is
--- `nil, "redis: nil"`.
---@class nauthilus_redis
local nauthilus_redis = {}

--- Registers another Redis under a name. It connects on first use.
---@param name string
---@param mode "standalone"|"sentinel"|"sentinel_replica"|"cluster"
---@param conf table
---@return string? ok "OK"
---@return string? error
function nauthilus_redis.register_redis_pool(name, mode, conf) end

--- The handle of a registered pool.
---@param name string
---@return userdata? handle
---@return string? error
function nauthilus_redis.get_redis_connection(name) end

--- Encrypts with `server.redis.encryption_secret`.
---@param handle string|userdata
---@param text string
---@return string?
---@return string? error
function nauthilus_redis.redis_encrypt(handle, text) end

--- Decrypts. Text that is not in the encrypted format is returned unchanged.
---@param handle string|userdata
---@param text string
---@return string?
---@return string? error
function nauthilus_redis.redis_decrypt(handle, text) end

--- Whether an encryption secret is configured.
---@param handle string|userdata
---@return boolean
function nauthilus_redis.redis_is_encryption_enabled(handle) end

--- Sends PING. Waits.
---@param handle string|userdata
---@return string? pong "PONG"
---@return string? error
function nauthilus_redis.redis_ping(handle) end

--- Gets a value. Waits.
---@param handle string|userdata
---@param key string
---@param type? "string"|"number"|"bool"|"nil"
---@return string|number|boolean|nil value
---@return string? error
function nauthilus_redis.redis_get(handle, key, type) end

--- Sets a value. The options are a time to live in seconds, or a table `{nx, xx, get, keepttl, ex,
--- px, exat, pxat}`. Waits.
---@param handle string|userdata
---@param key string
---@param value any
---@param options? number|table
---@return string? ok
---@return string? error
function nauthilus_redis.redis_set(handle, key, value, options) end

--- Adds 1. Waits.
---@param handle string|userdata
---@param key string
---@return number? value
---@return string? error
function nauthilus_redis.redis_incr(handle, key) end

--- Deletes. Waits.
---@param handle string|userdata
---@param key string
---@return number? count
---@return string? error
function nauthilus_redis.redis_del(handle, key) end

--- Sets the time to live. Waits.
---@param handle string|userdata
---@param key string
---@param seconds number
---@return boolean? found
---@return string? error
function nauthilus_redis.redis_expire(handle, key, seconds) end

--- Whether the key exists, as 1 or 0. Waits.
---@param handle string|userdata
---@param key string
---@return number? count
---@return string? error
function nauthilus_redis.redis_exists(handle, key) end

--- Renames. Waits.
---@param handle string|userdata
---@param old string
---@param new string
---@return string? ok
---@return string? error
function nauthilus_redis.redis_rename(handle, old, new) end

--- Gets several values, by key; missing keys are absent from the table. Waits.
---@param handle string|userdata
---@param keys string|string[]
---@param ... string
---@return table<string, string>?
---@return string? error
function nauthilus_redis.redis_mget(handle, keys, ...) end

--- Sets several values. Waits.
---@param handle string|userdata
---@param pairs table<string, any>|string
---@param ... any
---@return string? ok
---@return string? error
function nauthilus_redis.redis_mset(handle, pairs, ...) end

--- All keys that match a pattern. Scans the whole database. Waits.
---@param handle string|userdata
---@param pattern string
---@return string[]?
---@return string? error
function nauthilus_redis.redis_keys(handle, pattern) end

--- Iterates over keys: returns `{cursor, keys}`. Waits.
---@param handle string|userdata
---@param cursor number
---@param match? string
---@param count? number
---@return table?
---@return string? error
function nauthilus_redis.redis_scan(handle, cursor, match, count) end

--- Gets a field of a hash. Waits.
---@param handle string|userdata
---@param key string
---@param field string
---@param type? "string"|"number"|"bool"|"nil"
---@return string|number|boolean|nil value
---@return string? error
function nauthilus_redis.redis_hget(handle, key, field, type) end

--- Sets fields. Waits.
---@param handle string|userdata
---@param key string
---@param field string|table<string, any>
---@param ... any
---@return number? added
---@return string? error
function nauthilus_redis.redis_hset(handle, key, field, ...) end

--- Deletes fields. Waits.
---@param handle string|userdata
---@param key string
---@param field string|string[]
---@param ... string
---@return number? count
---@return string? error
function nauthilus_redis.redis_hdel(handle, key, field, ...) end

--- The number of fields. Waits.
---@param handle string|userdata
---@param key string
---@return number?
---@return string? error
function nauthilus_redis.redis_hlen(handle, key) end

--- All fields. Waits.
---@param handle string|userdata
---@param key string
---@return table<string, string>?
---@return string? error
function nauthilus_redis.redis_hgetall(handle, key) end

--- Gets several fields; missing ones are absent from the table. Waits.
---@param handle string|userdata
---@param key string
---@param field string|string[]
---@param ... string
---@return table<string, string>?
---@return string? error
function nauthilus_redis.redis_hmget(handle, key, field, ...) end

--- Adds to a field. Waits.
---@param handle string|userdata
---@param key string
---@param field string
---@param by integer
---@return number? value
---@return string? error
function nauthilus_redis.redis_hincrby(handle, key, field, by) end

--- Adds to a field. Waits.
---@param handle string|userdata
---@param key string
---@param field string
---@param by number
---@return number? value
---@return string? error
function nauthilus_redis.redis_hincrbyfloat(handle, key, field, by) end

--- Whether the field exists. Waits.
---@param handle string|userdata
---@param key string
---@param field string
---@return boolean?
---@return string? error
function nauthilus_redis.redis_hexists(handle, key, field) end

--- Adds members to a set. Waits.
---@param handle string|userdata
---@param key string
---@param member any
---@param ... any
---@return number? added
---@return string? error
function nauthilus_redis.redis_sadd(handle, key, member, ...) end

--- Removes members. Waits.
---@param handle string|userdata
---@param key string
---@param member any
---@param ... any
---@return number? count
---@return string? error
function nauthilus_redis.redis_srem(handle, key, member, ...) end

--- Whether it is a member. Waits.
---@param handle string|userdata
---@param key string
---@param member any
---@return boolean?
---@return string? error
function nauthilus_redis.redis_sismember(handle, key, member) end

--- All members. Waits.
---@param handle string|userdata
---@param key string
---@return string[]?
---@return string? error
function nauthilus_redis.redis_smembers(handle, key) end

--- The number of members. Waits.
---@param handle string|userdata
---@param key string
---@return number?
---@return string? error
function nauthilus_redis.redis_scard(handle, key) end

--- Adds members to a HyperLogLog. Waits.
---@param handle string|userdata
---@param key string
---@param member any
---@param ... any
---@return number? changed
---@return string? error
function nauthilus_redis.redis_pfadd(handle, key, member, ...) end

--- The approximate number of members. Waits.
---@param handle string|userdata
---@param key string
---@param ... string
---@return number?
---@return string? error
function nauthilus_redis.redis_pfcount(handle, key, ...) end

--- Merges HyperLogLogs. Waits.
---@param handle string|userdata
---@param destination string
---@param source string|string[]
---@param ... string
---@return string? ok
---@return string? error
function nauthilus_redis.redis_pfmerge(handle, destination, source, ...) end

--- Adds members with scores. Waits.
---@param handle string|userdata
---@param key string
---@param members table<string, number>|string
---@param ... any
---@return number? added
---@return string? error
function nauthilus_redis.redis_zadd(handle, key, members, ...) end

--- Members by rank. Waits.
---@param handle string|userdata
---@param key string
---@param start integer
---@param stop integer
---@return string[]?
---@return string? error
function nauthilus_redis.redis_zrange(handle, key, start, stop) end

--- Members by rank, highest first. Waits.
---@param handle string|userdata
---@param key string
---@param start integer
---@param stop integer
---@return string[]?
---@return string? error
function nauthilus_redis.redis_zrevrange(handle, key, start, stop) end

--- Members by score; options are `{offset, count}`. Waits.
---@param handle string|userdata
---@param key string
---@param min string|number
---@param max string|number
---@param options? table|number
---@param count? number
---@return string[]?
---@return string? error
function nauthilus_redis.redis_zrangebyscore(handle, key, min, max, options, count) end

--- A member's rank. Waits.
---@param handle string|userdata
---@param key string
---@param member string
---@return number?
---@return string? error
function nauthilus_redis.redis_zrank(handle, key, member) end

--- A member's rank from the top. Waits.
---@param handle string|userdata
---@param key string
---@param member string
---@return number?
---@return string? error
function nauthilus_redis.redis_zrevrank(handle, key, member) end

--- Removes members. Waits.
---@param handle string|userdata
---@param key string
---@param members string|string[]
---@param ... string
---@return number? count
---@return string? error
function nauthilus_redis.redis_zrem(handle, key, members, ...) end

--- Removes members by score. Waits.
---@param handle string|userdata
---@param key string
---@param min string|number
---@param max string|number
---@return number? count
---@return string? error
function nauthilus_redis.redis_zremrangebyscore(handle, key, min, max) end

--- Removes members by rank. Waits.
---@param handle string|userdata
---@param key string
---@param start integer
---@param stop integer
---@return number? count
---@return string? error
function nauthilus_redis.redis_zremrangebyrank(handle, key, start, stop) end

--- The number of members with a score in the range. Waits.
---@param handle string|userdata
---@param key string
---@param min string|number
---@param max string|number
---@return number?
---@return string? error
function nauthilus_redis.redis_zcount(handle, key, min, max) end

--- A member's score. Waits.
---@param handle string|userdata
---@param key string
---@param member string
---@return number?
---@return string? error
function nauthilus_redis.redis_zscore(handle, key, member) end

--- Adds to a member's score. Waits.
---@param handle string|userdata
---@param key string
---@param by number
---@param member string
---@return number? score
---@return string? error
function nauthilus_redis.redis_zincrby(handle, key, by, member) end

--- Prepends values to a list. Waits.
---@param handle string|userdata
---@param key string
---@param value any
---@param ... any
---@return number? length
---@return string? error
function nauthilus_redis.redis_lpush(handle, key, value, ...) end

--- Appends values to a list. Waits.
---@param handle string|userdata
---@param key string
---@param value any
---@param ... any
---@return number? length
---@return string? error
function nauthilus_redis.redis_rpush(handle, key, value, ...) end

--- Removes and returns the first value. Waits.
---@param handle string|userdata
---@param key string
---@return string?
---@return string? error
function nauthilus_redis.redis_lpop(handle, key) end

--- Removes and returns the last value. Waits.
---@param handle string|userdata
---@param key string
---@return string?
---@return string? error
function nauthilus_redis.redis_rpop(handle, key) end

--- Part of a list. Waits.
---@param handle string|userdata
---@param key string
---@param start integer
---@param stop integer
---@return string[]?
---@return string? error
function nauthilus_redis.redis_lrange(handle, key, start, stop) end

--- A list's length. Waits.
---@param handle string|userdata
---@param key string
---@return number?
---@return string? error
function nauthilus_redis.redis_llen(handle, key) end

--- Loads a Redis script and registers it under a name. Waits.
---@param handle string|userdata
---@param source string
---@param name? string
---@return string? sha1
---@return string? error
function nauthilus_redis.redis_upload_script(handle, source, name) end

--- Runs an uploaded script, or the source if the name is "". Waits.
---@param handle string|userdata
---@param source string
---@param name string?
---@param keys string[]
---@param args any
---@return any result
---@return string? error
function nauthilus_redis.redis_run_script(handle, source, name, keys, args) end

--- Runs several commands in one round trip. Returns a list of `{ok, value, err}`. Waits.
---@param handle string|userdata
---@param mode "read"|"write"
---@param commands table[]
---@return table[]?
---@return string? error
function nauthilus_redis.redis_pipeline(handle, mode, commands) end

return nauthilus_redis
