-- Action: checks whether the password of a successful login is known from leaks, and mails the user once.
--
-- Configure it under lua.actions with type post, so that logins do not wait for it. It queries the range
-- service of haveibeenpwned.com, which receives the first five hexadecimal digits of the password's SHA-1
-- and returns all known hashes with that prefix. The rest is compared here. The result is stored in Redis
-- under the account and the short keyed hash of the password: for a day if the password is in no leak,
-- otherwise for 30 days. The log line gets haveibeenpwned, the number of leaks. If the account is a mail
-- address, the user gets one mail per password.
--
-- Environment: SMTP_SERVER (without it no mail is sent); SMTP_PORT (default 25); SMTP_MAIL_FROM;
-- SMTP_HELO_NAME; SMTP_USERNAME and SMTP_PASSWORD; SMTP_TLS, SMTP_STARTTLS, SMTP_USE_LMTP, each true or
-- false; SSP_WEBSITE, where users change their password; HAVEIBEENPWNED_URL, another range service;
-- CUSTOM_REDIS_POOL_NAME, as in init.lua. Metrics: those of init.lua.
-- If the service, Redis or the mail server is down, the action raises, which is logged; the next login
-- tries again.
local crypto = require("glua_crypto")
local http = require("glua_http")
local nauthilus_mail = require("nauthilus_mail")
local nauthilus_password = require("nauthilus_password")
local nauthilus_prometheus = require("nauthilus_prometheus")
local nauthilus_redis = require("nauthilus_redis")
local nauthilus_util = require("nauthilus_util")
local template = require("template")

local NAME = "haveibeenpwned"
local METRIC = "haveibeenpwnd"
local REQUESTS_GAUGE = "http_client_concurrent_requests_total"
local SERVICE_URL = "https://api.pwnedpasswords.com/range/"
local TIMEOUT = "5s"

local DAY_SECONDS = 86400
local CLEAN_SECONDS = DAY_SECONDS
local LEAKED_SECONDS = 30 * DAY_SECONDS
local MAILED_SECONDS = 365 * DAY_SECONDS

local SUBJECT = "Your password is known from a data leak"
local BODY = [[
Hello,

the password of your account {{{account}}} is in collections of leaked passwords that
are passed around ({{{count}}} times). Whoever has such a collection can log in as you.

Please choose another password{{#website}} at {{{website}}}{{/website}}, and choose another one wherever else you
use this one.
]]

local function is_set(name) return nauthilus_util.toboolean(nauthilus_util.getenv(name, "false")) end

-- Returns the handle of the Redis that the examples use.
local function redis_handle()
    local name = nauthilus_util.getenv("CUSTOM_REDIS_POOL_NAME")
    if not name then return "default" end
    local handle, err = nauthilus_redis.get_redis_connection(name)
    nauthilus_util.if_error_raise(err)
    return handle
end

-- Returns all known hashes with this prefix: lines with the other 35 digits, a colon and a count.
local function ask_service(prefix)
    nauthilus_prometheus.increment_gauge(REQUESTS_GAUGE, { service = METRIC })
    local timer = nauthilus_prometheus.start_histogram_timer(METRIC .. "_duration_seconds", { http = "get" })
    -- Padding hides the query from observers of the response size. Padding lines have the count 0.
    local response, err = http.get(nauthilus_util.getenv("HAVEIBEENPWNED_URL", SERVICE_URL) .. prefix, {
        timeout = TIMEOUT,
        headers = { ["Add-Padding"] = "true", ["User-Agent"] = "Loligo" },
    })
    nauthilus_prometheus.stop_timer(timer)
    nauthilus_prometheus.decrement_gauge(REQUESTS_GAUGE, { service = METRIC })
    nauthilus_util.if_error_raise(err)
    if response.status_code ~= 200 then error(NAME .. ": status " .. response.status_code) end
    return response.body
end

-- Returns how many leaks contain the password. A malformed answer raises: it must not count as "none".
local function count_leaks(password)
    local digest = string.upper(crypto.sha1(password))
    local wanted, leaks, lines = string.sub(digest, 6), 0, 0
    for line in string.gmatch(ask_service(string.sub(digest, 1, 5)), "[^\r\n]+") do
        local rest, count = string.match(line, "^(%x+):(%d+)$")
        if not rest or #rest ~= #wanted then error(NAME .. ": the answer is no list of digests") end
        if string.upper(rest) == wanted then leaks = tonumber(count) end
        lines = lines + 1
    end
    if lines == 0 then error(NAME .. ": the answer is empty") end
    return leaks
end

-- Returns the stored result, or asks the service.
local function leaks_of(handle, key, password)
    local remembered, err = nauthilus_redis.redis_get(handle, key)
    nauthilus_util.if_error_raise(err)
    local leaks = tonumber(remembered)
    if leaks then return leaks end

    leaks = count_leaks(password)
    local _, set_err = nauthilus_redis.redis_set(handle, key, leaks, leaks == 0 and CLEAN_SECONDS or LEAKED_SECONDS)
    nauthilus_util.if_error_raise(set_err)
    return leaks
end

local function send_mail(account, leaks)
    local mustache, err = template.choose("mustache")
    nauthilus_util.if_error_raise(err)
    local body, render_err = mustache:render(BODY, {
        account = account,
        count = string.format("%d", leaks),
        website = nauthilus_util.getenv("SSP_WEBSITE", false),
    })
    nauthilus_util.if_error_raise(render_err)
    return nauthilus_mail.send_mail({
        server = nauthilus_util.getenv("SMTP_SERVER"),
        port = tonumber(nauthilus_util.getenv("SMTP_PORT", "25")),
        helo_name = nauthilus_util.getenv("SMTP_HELO_NAME", "localhost"),
        username = nauthilus_util.getenv("SMTP_USERNAME", ""),
        password = nauthilus_util.getenv("SMTP_PASSWORD", ""),
        tls = is_set("SMTP_TLS"),
        starttls = is_set("SMTP_STARTTLS"),
        lmtp = is_set("SMTP_USE_LMTP"),
        from = nauthilus_util.getenv("SMTP_MAIL_FROM") or error("SMTP_MAIL_FROM is not set"),
        to = { account },
        subject = SUBJECT,
        body = body,
    })
end

-- Only the run that sets the mark sends the mail. If sending fails, the mark is deleted.
local function mail_once(handle, mark, account, leaks)
    if not nauthilus_util.getenv("SMTP_SERVER") or not string.find(account, "@", 1, true) then return end
    local marked, err = nauthilus_redis.redis_set(handle, mark, "1", { nx = true, ex = MAILED_SECONDS })
    nauthilus_util.if_error_raise(err)
    if not marked then return end

    local ok, mail_err = pcall(send_mail, account, leaks)
    if ok and not mail_err then return end
    local _, del_err = nauthilus_redis.redis_del(handle, mark)
    nauthilus_util.if_error_raise(del_err)
    error(NAME .. ": mail: " .. tostring(mail_err), 0)
end

function nauthilus_call_action(request)
    if not request.authenticated or request.no_auth or request.account == "" or request.password == "" then
        return nauthilus_builtin.ACTION_RESULT_OK
    end

    local handle = redis_handle()
    local hash, err = nauthilus_password.generate_password_hash(request.password)
    nauthilus_util.if_error_raise(err)
    local key = nauthilus_util.get_redis_key(request, NAME .. ":" .. request.account .. ":" .. hash)
    local leaks = leaks_of(handle, key, request.password)
    if leaks > 0 then
        nauthilus_builtin.custom_log_add(NAME, leaks)
        mail_once(handle, key .. ":mailed", request.account, leaks)
    end
    return nauthilus_builtin.ACTION_RESULT_OK
end
