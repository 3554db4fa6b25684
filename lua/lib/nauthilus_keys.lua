-- nauthilus_keys: hash tags that keep the Redis keys of one account in one slot of a cluster.
--
-- Environment: USE_KEY_HASHTAGS, "false" or "0" turns the tags off; KEY_HASHTAG_PREFIX stands before the digest, default "acm-".
-- Stateless and self-contained, so that it also works beside an operator's own nauthilus_util.
local keys = {}

local PREFIX_DEFAULT = "acm-"

-- An environment variable; empty counts as unset.
local function environment(name)
    local value = os.getenv(name)
    if value ~= "" then return value end
end

-- "{acm-<md5 of the name>}", or "" for no name or with tags turned off. The digest keeps braces and blanks out of the key.
function keys.account_tag(username)
    if username == nil or username == "" then return "" end

    local switch = string.lower(environment("USE_KEY_HASHTAGS") or "true")
    if switch == "false" or switch == "0" then return "" end

    local prefix = environment("KEY_HASHTAG_PREFIX") or PREFIX_DEFAULT
    return "{" .. prefix .. require("crypto").md5(username) .. "}"
end

return keys
