-- Action: tells an operator by Telegram of a suspicious login.
--
-- Configured under lua.actions with type post: the login does not wait for it. A login is suspicious if a feature or the brute-force check
-- turned it away, or if a script noted something in the context's table "rt" under a name that begins with feature_ or filter_, as the
-- examples do. For one user and address there is one message every five minutes, and not more than 20 a minute in all: an attack
-- would bury the chat and be refused by Telegram. The log line gets telegram=sent or telegram=held_back.
--
-- Environment: TELEGRAM_PASSWORD, the bot's token; TELEGRAM_CHAT_ID, a number or a channel's @name; TELEGRAM_API_URL, a server of the Bot
-- API other than Telegram's own. Metrics: those of init.lua.
-- If Telegram is away or says no, the action raises, which is logged; the message is not sent again.
local http = require("http")
local nauthilus_cache = require("nauthilus_cache")
local nauthilus_context = require("nauthilus_context")
local nauthilus_prometheus = require("nauthilus_prometheus")
local nauthilus_util = require("nauthilus_util")
local telegram = require("telegram")
local template = require("template")
local time = require("time")

local NAME = "telegram"
local REQUESTS_GAUGE = "http_client_concurrent_requests_total"
local TIMEOUT_SECONDS = 10
local QUIET_SECONDS = 300
local MESSAGES_PER_MINUTE = 20

local MESSAGE = [[
Suspicious login: {{{reasons}}}
{{{timestamp}}}
User {{{user}}}{{#account}}, account {{{account}}}{{/account}}
From {{{client_ip}}}{{#client_hostname}} ({{{client_hostname}}}){{/client_hostname}} by {{{protocol}}}
{{#authenticated}}The password was right.{{/authenticated}}{{^authenticated}}The password was not accepted.{{/authenticated}}
Session {{{session}}}]]

local function required(name) return nauthilus_util.getenv(name) or error(name .. " is not set") end

-- What speaks against the login, in alphabetical order; an empty list if nothing does.
local function reasons_of(request)
    local reasons = {}
    local rt = nauthilus_context.context_get("rt")
    for name, noted in pairs(nauthilus_util.is_table(rt) and rt or {}) do
        local reason = noted and (string.match(name, "^feature_(.+)$") or string.match(name, "^filter_(.+)$"))
        if reason then table.insert(reasons, reason) end
    end
    -- "lua" is the feature of all scripts, which have noted their own names.
    if request.feature ~= "" and (request.feature ~= "lua" or #reasons == 0) then table.insert(reasons, request.feature) end
    if request.brute_force_bucket ~= "" then table.insert(reasons, "bucket " .. request.brute_force_bucket) end
    table.sort(reasons)
    return reasons
end

-- Whether there was no such message lately and not too many others.
local function may_send(request)
    local key = NAME .. ":" .. request.username .. ":" .. request.client_ip
    if nauthilus_cache.cache_exists(key) then return false end
    nauthilus_cache.cache_set(key, true, QUIET_SECONDS)

    local now = time.unix()
    local sent = nauthilus_cache.cache_update(NAME .. ":sent", function(before)
        if before and now < before.ends then return { ends = before.ends, count = before.count + 1 } end
        return { ends = now + 60, count = 1 }
    end)
    return sent.count <= MESSAGES_PER_MINUTE
end

-- What the client chose itself must not look like another line of ours.
local function one_line(text) return (string.gsub(text, "%c", " ")) end

local function message_text(request, reasons)
    local mustache, err = template.choose("mustache")
    nauthilus_util.if_error_raise(err)
    local text, render_err = mustache:render(MESSAGE, {
        reasons = table.concat(reasons, ", "),
        timestamp = nauthilus_util.get_current_timestamp(),
        user = one_line(request.username),
        account = request.account ~= "" and one_line(request.account) or false,
        client_ip = one_line(request.client_ip),
        client_hostname = request.client_hostname ~= "" and one_line(request.client_hostname) or false,
        protocol = one_line(request.protocol),
        authenticated = request.authenticated,
        session = request.session,
    })
    nauthilus_util.if_error_raise(render_err)
    return text
end

local function send(text)
    local bot = telegram.bot(
        required("TELEGRAM_PASSWORD"),
        http.client({ timeout = TIMEOUT_SECONDS }),
        nauthilus_util.getenv("TELEGRAM_API_URL")
    )
    local chat = required("TELEGRAM_CHAT_ID")
    local number = tonumber(chat)

    nauthilus_prometheus.increment_gauge(REQUESTS_GAUGE, { service = NAME })
    local timer = nauthilus_prometheus.start_histogram_timer(NAME .. "_duration_seconds", { bot = "send" })
    local _, err = bot:sendMessage({ chat_id = number, username = not number and chat or nil, text = text })
    nauthilus_prometheus.stop_timer(timer)
    nauthilus_prometheus.decrement_gauge(REQUESTS_GAUGE, { service = NAME })
    if err then error(NAME .. ": " .. err) end
end

function nauthilus_call_action(request)
    local reasons = reasons_of(request)
    if request.no_auth or #reasons == 0 then return nauthilus_builtin.ACTION_RESULT_OK end
    if not may_send(request) then
        nauthilus_builtin.custom_log_add(NAME, "held_back")
        return nauthilus_builtin.ACTION_RESULT_OK
    end

    send(message_text(request, reasons))
    nauthilus_builtin.custom_log_add(NAME, "sent")
    return nauthilus_builtin.ACTION_RESULT_OK
end
