-- Backend: users in a text file, for testing and for small sites.
--
-- The environment variable PASSWORD_FILE names the file (default config/quickstart.passwd). Each line is
-- one user:
--
--     user:{SCHEME}hash:account:key=value:key=value
--
-- The hash may use any scheme of nauthilus_password. If the account is omitted, it is the user name. Keys
-- become attributes; a repeated key becomes a list. Look-ups, which have no password, also find users by
-- account, because Dovecot's userdb asks for the account after a login. Empty lines and lines that start
-- with # are ignored. If two lines have the same user, the first one counts.
-- The file is read again every few seconds. If it cannot be read, or if the user's line is malformed, the
-- script raises: that is a temporary failure, never an unknown user or a wrong password. The password of an
-- unknown user is compared with the hash of the first user, so that response times do not reveal which
-- users exist.
local nauthilus_cache = require("nauthilus_cache")
local nauthilus_password = require("nauthilus_password")

local FILE_DEFAULT = "config/quickstart.passwd"
local REREAD_SECONDS = 5

-- Attributes with a meaning to the server, and their setters.
local KNOWN_ATTRIBUTES = { display_name = "display_name_field", unique_user_id = "unique_user_id_field" }

local function password_file()
    local path = os.getenv("PASSWORD_FILE")
    if path == nil or path == "" then return FILE_DEFAULT end
    return path
end

-- Adds "key=value" to the attributes. Returns false if the text has another form.
local function add_attribute(attributes, text)
    local key, value = string.match(text, "^([^=]+)=(.*)$")
    if not key then return false end
    local before = attributes[key]
    if before == nil then
        attributes[key] = value
    elseif type(before) == "table" then
        table.insert(before, value)
    else
        attributes[key] = { before, value }
    end
    return true
end

-- Returns a line's user and entry: hash and attributes, or what is malformed.
local function parse_line(line, number)
    local fields = {}
    for field in string.gmatch(line .. ":", "([^:]*):") do table.insert(fields, field) end
    local user, hash, account = fields[1], fields[2], fields[3]
    if hash == nil or hash == "" then return user, { broken_line = number } end

    local attributes = {}
    for place = 4, #fields do
        if not add_attribute(attributes, fields[place]) then return user, { broken_line = number } end
    end
    attributes.account = (account ~= nil and account ~= "") and account or user
    return user, { hash = hash, attributes = attributes }
end

-- Calls visit(user, entry) for each user of the file, in order.
local function each_user(path, visit)
    local file, err = io.open(path, "r")
    if not file then error("password file: " .. tostring(err)) end
    -- Read the whole file at once: a read error in the middle would look like the end of the file.
    local content, read_err = file:read("*a")
    file:close()
    if not content then error("password file: " .. path .. ": " .. tostring(read_err)) end

    local seen, number = {}, 0
    for line in string.gmatch(content, "([^\n]*)\n?") do
        number = number + 1
        line = string.gsub(line, "\r$", "")
        if line ~= "" and string.sub(line, 1, 1) ~= "#" then
            local user, entry = parse_line(line, number)
            if not seen[user] then
                seen[user] = true
                visit(user, entry)
            end
        end
    end
end

-- Cache keys for a user, for the first user of an account, and for the first user of all. User names contain no colon, but
-- requested names may: keys of different kinds never share a prefix.
local function user_key(reading, name) return reading .. ":" .. name end

local function account_key(reading, account) return reading .. "/" .. account end

local function decoy_key(reading) return reading .. "!" end

-- The key that holds the number of the current reading.
--
-- The cache returns copies, so each user has an entry. The number of a reading is part of its keys: users
-- removed from the file are gone with the next reading. Entries outlive the number of their reading, so none is missing while
-- it is in use.
local function current_reading(path)
    local current = "password_file:" .. path
    local reading = nauthilus_cache.cache_get(current)
    if not reading then
        reading = string.format("%s:%d:%d", current, os.time(), math.random(2 ^ 30))
        local known, decoy = {}, nil
        each_user(path, function(name, entry)
            nauthilus_cache.cache_set(user_key(reading, name), entry, 2 * REREAD_SECONDS)
            local account = entry.attributes and entry.attributes.account
            if account and not known[account] then
                known[account] = true
                nauthilus_cache.cache_set(account_key(reading, account), entry, 2 * REREAD_SECONDS)
            end
            decoy = decoy or entry.hash
        end)
        if decoy then nauthilus_cache.cache_set(decoy_key(reading), decoy, 2 * REREAD_SECONDS) end
        nauthilus_cache.cache_set(current, reading, REREAD_SECONDS)
    end
    return reading
end

-- Returns the requested user's entry, or nil.
local function find_user(reading, request)
    local entry = nauthilus_cache.cache_get(user_key(reading, request.username))
    if not entry and request.no_auth then entry = nauthilus_cache.cache_get(account_key(reading, request.username)) end
    return entry
end

-- Takes as long as comparing a known user's password.
local function compare_with_decoy(reading, password)
    local decoy = nauthilus_cache.cache_get(decoy_key(reading))
    if decoy then nauthilus_password.compare_passwords(decoy, password) end
end

local function raise_if_broken(path, entry)
    if entry.broken_line then error("password file: " .. path .. ": line " .. entry.broken_line .. " is broken") end
end

function nauthilus_backend_verify_password(request)
    local result = nauthilus_backend_result.new()
    local path = password_file()
    local reading = current_reading(path)
    local entry = find_user(reading, request)
    if not entry then
        if not request.no_auth then compare_with_decoy(reading, request.password) end
        return nauthilus_builtin.BACKEND_RESULT_NOT_FOUND, result
    end
    raise_if_broken(path, entry)

    result:user_found(true)
    result:account_field("account")
    result:attributes(entry.attributes)
    for name, setter in pairs(KNOWN_ATTRIBUTES) do
        if entry.attributes[name] then result[setter](result, name) end
    end

    -- A look-up has no password; it only asks who the user is.
    if not request.no_auth then
        local matches, err = nauthilus_password.compare_passwords(entry.hash, request.password)
        if err then error(err) end
        result:authenticated(matches)
    end
    return nauthilus_builtin.BACKEND_RESULT_OK, result
end

function nauthilus_backend_list_accounts()
    local path, accounts = password_file(), {}
    each_user(path, function(_, entry)
        raise_if_broken(path, entry)
        table.insert(accounts, entry.attributes.account)
    end)
    table.sort(accounts)
    return nauthilus_builtin.BACKEND_RESULT_OK, accounts
end
