-- Backend: users in an LDAP directory.
--
-- The backend searches for the user and compares the password with the hashes in userPassword ({SSHA},
-- {CRYPT} and all other schemes of nauthilus_password). The pool's bind_dn must be allowed to read them.
-- It returns the account, cn (the display name) and entryUUID (the unique id) as attributes.
--
-- It needs a pool in the section ldap. Environment: LDAP_BASE_DN, the search base; LDAP_POOL (default
-- "default"); LDAP_USER_FILTER, in which %s stands for the login name (default
-- (&(objectClass=inetOrgPerson)(|(uid=%s)(mail=%s)))); LDAP_ACCOUNTS_FILTER, for account lists (default
-- (objectClass=inetOrgPerson)); LDAP_ACCOUNT_ATTRIBUTE, whose first value is the account (default mail).
-- If the directory fails, if a name has two entries, or if an entry has no readable password, the script
-- raises and the login fails temporarily. The password of an unknown user is compared with the hash of
-- another user, so that response times do not reveal which users exist.
local nauthilus_cache = require("nauthilus_cache")
local nauthilus_ldap = require("nauthilus_ldap")
local nauthilus_password = require("nauthilus_password")

local USER_FILTER = "(&(objectClass=inetOrgPerson)(|(uid=%s)(mail=%s)))"
local ACCOUNTS_FILTER = "(objectClass=inetOrgPerson)"

-- The hash to compare unknown users' passwords with until a user has been found.
local DECOY_DEFAULT = "$2y$10$ZxVMRH0Dp0nYwQgoL5njQu7MHmy1HPCafRwRJs3e4BfLdmW5yqyMy"
local DECOY_KEY, DECOY_SECONDS = "ldap.lua:decoy", 86400

local function setting(name, default)
    local value = os.getenv(name)
    if value ~= nil and value ~= "" then return value end
    return default or error(name .. " is not set")
end

-- Escapes text for use in a filter (RFC 4515, section 3).
local function escape(text)
    return (string.gsub(text, "[%c\\*()\128-\255]", function(character) return string.format("\\%02x", string.byte(character)) end))
end

-- Returns the entries found, each { dn = ..., attributes = { name = list } }.
local function search(request, filter, attributes)
    local entries, err = nauthilus_ldap.ldap_search({
        pool_name = setting("LDAP_POOL", "default"),
        session = request.session,
        basedn = setting("LDAP_BASE_DN"),
        filter = filter,
        scope = "sub",
        attributes = attributes,
        raw_result = true,
    })
    if err then error("directory: " .. err) end
    return entries
end

-- Returns the attributes of a user's entry, or nil if there is none.
local function find_user(request, account_attribute)
    local name = escape(request.username)
    local filter = string.gsub(setting("LDAP_USER_FILTER", USER_FILTER), "%%s", function() return name end)
    local entries = search(request, filter, { "userPassword", "cn", "entryUUID", account_attribute })
    if #entries > 1 then error("directory: " .. #entries .. " entries for one name") end
    return entries[1] and entries[1].attributes
end

-- Takes as long as comparing a known user's password.
local function compare_with_decoy(password)
    nauthilus_password.compare_passwords(nauthilus_cache.cache_get(DECOY_KEY) or DECOY_DEFAULT, password)
end

-- Whether the password matches one of the stored hashes.
local function matches_any(stored, password)
    if not stored then error("directory: the entry has no userPassword, or none that we may read") end
    if not nauthilus_cache.cache_get(DECOY_KEY) then nauthilus_cache.cache_set(DECOY_KEY, stored[1], DECOY_SECONDS) end
    for _, hash in ipairs(stored) do
        local matches, err = nauthilus_password.compare_passwords(hash, password)
        if err then error(err) end
        if matches then return true end
    end
    return false
end

function nauthilus_backend_verify_password(request)
    local result = nauthilus_backend_result.new()
    local account_attribute = setting("LDAP_ACCOUNT_ATTRIBUTE", "mail")
    local entry = find_user(request, account_attribute)
    if not entry then
        if not request.no_auth then compare_with_decoy(request.password) end
        return nauthilus_builtin.BACKEND_RESULT_NOT_FOUND, result
    end

    local attributes = {}
    for name, values in pairs(entry) do
        if name ~= "userPassword" then attributes[name] = values[1] end
    end
    result:user_found(true)
    result:account_field(account_attribute)
    result:attributes(attributes)
    if attributes.cn then result:display_name_field("cn") end
    if attributes.entryUUID then result:unique_user_id_field("entryUUID") end

    -- A look-up has no password; it only asks who the user is.
    if not request.no_auth then result:authenticated(matches_any(entry.userPassword, request.password)) end
    return nauthilus_builtin.BACKEND_RESULT_OK, result
end

function nauthilus_backend_list_accounts(request)
    local account_attribute, accounts = setting("LDAP_ACCOUNT_ATTRIBUTE", "mail"), {}
    for _, entry in ipairs(search(request, setting("LDAP_ACCOUNTS_FILTER", ACCOUNTS_FILTER), { account_attribute })) do
        local values = entry.attributes[account_attribute]
        if values then table.insert(accounts, values[1]) end
    end
    return nauthilus_builtin.BACKEND_RESULT_OK, accounts
end
