-- Action: reports suspicious logins to an operator through Telegram.
--
-- Configure it under lua.actions with type post, so that logins do not wait for it. A login is suspicious
-- if a feature or the brute-force check rejected it, or if a script set a name starting with feature_ or
-- filter_ in the context table "rt", as the examples do. There is at most one message per user and address
-- in five minutes, and 20 messages a minute in total: an attack would flood the chat, and Telegram would
-- refuse further messages. The log line gets telegram=sent or telegram=held_back.
--
-- Environment: TELEGRAM_PASSWORD, the bot's token; TELEGRAM_CHAT_ID, a number or a channel's @name;
-- TELEGRAM_API_URL, a Bot API server other than Telegram's. Metrics: those of init.lua.
-- If Telegram is down or refuses the message, the action raises, which is logged. The message is not sent
-- again.
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

-- Returns the reasons against the login, in alphabetical order.
local function reasons_of(request)
    local reasons = {}
    local rt = nauthilus_context.context_get("rt")
    for name, noted in pairs(nauthilus_util.is_table(rt) and rt or {}) do
        local reason = noted and (string.match(name, "^feature_(.+)$") or string.match(name, "^filter_(.+)$"))
        if reason then table.insert(reasons, reason) end
    end
    -- "lua" stands for all scripts, which set their own names.
    if request.feature ~= "" and (request.feature ~= "lua" or #reasons == 0) then table.insert(reasons, request.feature) end
    if request.brute_force_bucket ~= "" then table.insert(reasons, "bucket " .. request.brute_force_bucket) end
    table.sort(reasons)
    return reasons
end

-- Whether the rate limits allow a message.
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

-- Client-controlled text must not look like another line of the message.
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
