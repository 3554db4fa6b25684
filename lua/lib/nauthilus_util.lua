-- nauthilus_util: small helpers for scripts. local util = require("nauthilus_util")
--
-- Loaded once per Lua state and used by every request of it, so it keeps no state of its own: what getenv remembers is in
-- nauthilus_cache. Other modules are required where they are used, not at the top. Nothing here waits.
-- A file of this name on lua.config.package_path is taken instead of this one.
local util = {}

local ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
local TIMESTAMP_LAYOUT = "2006-01-02T15:04:05 -07:00"
local SEVERITY = { debug = 1, info = 2, notice = 3, warn = 4, error = 5 }

-- Errors that only say that there is nothing: an absent Redis key, and the word some functions return in place of no error.
local HARMLESS = { ["redis: nil"] = true, OK = true }

-- Tables and types ----------------------------------------------------------------------------------------------------------

-- Whether any value of `list`, under whatever key, equals `wanted`.
function util.exists_in_table(list, wanted)
    for _, value in pairs(list) do
        if value == wanted then return true end
    end
    return false
end

-- The number of keys, whatever they are.
function util.table_length(list)
    local count = 0
    for _ in pairs(list) do count = count + 1 end
    return count
end

function util.is_table(value) return type(value) == "table" end

function util.is_string(value) return type(value) == "string" end

function util.is_number(value) return type(value) == "number" end

-- "false", "0" and "" are false in any case, every other text is true. Raises for nil.
function util.toboolean(text)
    local word = string.lower(text)
    return not (word == "false" or word == "0" or word == "")
end

-- Raises `err`, unless there is none or it only says that something is not there. The position is that of the caller.
function util.if_error_raise(err)
    if err and not HARMLESS[err] then error(err, 2) end
end

-- `count` letters and digits. Good for names and markers; not a source of secrets.
function util.generate_random_string(count)
    local characters = {}
    for place = 1, count do
        local at = math.random(#ALPHABET)
        characters[place] = string.sub(ALPHABET, at, at)
    end
    return table.concat(characters)
end

-- Addresses -----------------------------------------------------------------------------------------------------------------

-- Networks of IPv4 that are not routed in the internet, as tests on the first three octets (RFC 6890).
local function is_special_ipv4(a, b, c)
    return a == 0 or a == 10 or a == 127 or (a >= 224 and a <= 255)
        or (a == 100 and b >= 64 and b <= 127)
        or (a == 169 and b == 254)
        or (a == 172 and b >= 16 and b <= 31)
        or (a == 192 and (b == 168 or (b == 0 and (c == 0 or c == 2)) or (b == 88 and c == 99)))
        or (a == 198 and b == 51 and c == 100)
        or (a == 203 and b == 0 and c == 113)
end

-- Whether `ip` is an address of the public internet. Judges by the text; what is no address is not routable. Raises for nil.
function util.is_routable_ip(ip)
    local a, b, c = string.match(ip, "^(%d+)%.(%d+)%.(%d+)%.%d+$")
    if a then return not is_special_ipv4(tonumber(a), tonumber(b), tonumber(c)) end

    local address = string.lower(ip)
    local is_local = address == "::1" or address == "::" or string.find(address, "^f[cd]") or string.find(address, "^fe[89ab]")
    return not is_local and string.find(address, ":", 1, true) ~= nil
end

-- Environment and keys ------------------------------------------------------------------------------------------------------

-- An environment variable, or `default` if it is unset or empty. A value found is remembered for the life of the process.
function util.getenv(name, default)
    local nauthilus_cache = require("nauthilus_cache")
    local key = "env:" .. name
    local value = nauthilus_cache.cache_get(key)
    if value ~= nil then return value end

    value = os.getenv(name)
    if value == nil or value == "" then return default end
    nauthilus_cache.cache_set(key, value)
    return value
end

-- `key` with the configured Redis prefix in front, if the request carries one.
function util.get_redis_key(request, key)
    local prefix = util.is_table(request) and request.redis_prefix
    if util.is_string(prefix) then return prefix .. key end
    return key
end

-- Logging -------------------------------------------------------------------------------------------------------------------

-- Now, as "2006-01-02T15:04:05 -07:00", in the zone that the environment variable TZ names, else in UTC.
function util.get_current_timestamp()
    local time = require("time")
    local now = time.unix()
    return time.format(now, TIMESTAMP_LAYOUT, util.getenv("TZ", "UTC")) or time.format(now, TIMESTAMP_LAYOUT, "UTC")
end

-- One value of a key=value line. A line break in it must not begin a new line of the log, so control characters are spelled out.
local function format_value(value)
    local text = tostring(value)
    if util.is_table(value) then text = require("json").encode(value) or text end
    local has_space = string.find(text, "%s")
    text = string.gsub(text, "%c", function(character) return string.format("\\x%02x", string.byte(character)) end)
    return has_space and '"' .. text .. '"' or text
end

-- key=value pairs, sorted by key.
local function format_line(result)
    local pairs_of = {}
    for key, value in pairs(result) do
        table.insert(pairs_of, tostring(key) .. "=" .. format_value(value))
    end
    table.sort(pairs_of)
    return table.concat(pairs_of, " ")
end

-- Prints `result` as one line, as JSON if logging.log_format says so, and else as key=value pairs.
-- Changes `result`: adds ts; with an error text also error and level "error"; a missing level becomes "info".
function util.print_result(logging, result, err)
    result.ts = util.get_current_timestamp()
    if util.is_string(err) and err ~= "" then
        result.level = "error"
        result.error = err
    elseif result.level == nil then
        result.level = "info"
    end

    local line
    if logging and logging.log_format == "json" then line = require("json").encode(result) end
    -- What JSON cannot hold is better logged in the other form than not at all.
    print(line or format_line(result))
end

local function known_level(name)
    local level = util.is_string(name) and string.lower(name)
    return SEVERITY[level] and level or "info"
end

-- Prints `result` with the given level, if logging.log_level lets it through: debug < info < notice < warn < error.
-- Any other word, also "none", counts as info.
function util.log(logging, level, result, err)
    level = known_level(level)
    if SEVERITY[level] < SEVERITY[known_level(logging and logging.log_level)] then return end
    result.level = level
    util.print_result(logging, result, err)
end

function util.log_debug(logging, result) util.log(logging, "debug", result) end

function util.log_info(logging, result) util.log(logging, "info", result) end

function util.log_notice(logging, result) util.log(logging, "notice", result) end

function util.log_warn(logging, result) util.log(logging, "warn", result) end

function util.log_error(logging, result, err) util.log(logging, "error", result, err) end

return util
