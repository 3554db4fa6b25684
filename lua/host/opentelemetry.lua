-- The Lua half of the module nauthilus_opentelemetry: tracers. Their functions may wait, so that they cannot be called from Rust.
local otel = ...
local start_span = otel.start_span
otel.start_span = nil

-- What the watchdog raises comes out of its hook, and no hook stops a handler that runs in there: such errors pass it by.
local function with_traceback(err)
    if type(err) ~= "string" or string.find(err, "context deadline exceeded", 1, true) then
        return err
    end

    return debug.traceback(err, 2)
end

local function finish(span, ok, ...)
    if ok then
        span:finish()

        return ...
    end

    local err = ...
    span:record_error(err)
    span:set_status("error", tostring(err))
    span:finish()
    error(err, 0)
end

function otel.tracer(scope)
    if scope == nil then
        scope = "nauthilus/lua"
    elseif type(scope) ~= "string" then
        error("bad argument #1 to tracer (string expected, got " .. type(scope) .. ")", 2)
    end

    local methods = {}

    function methods.start_span(_, name, opts)
        return start_span(scope, name, opts)
    end

    -- Calls f(span) and returns what it returns. An error is raised again, with the place where it came from in its text.
    function methods.with_span(_, name, f, opts)
        if type(f) ~= "function" then
            error("bad argument #2 to with_span (function expected, got " .. type(f) .. ")", 2)
        end

        local span = start_span(scope, name, opts)

        return finish(span, xpcall(f, with_traceback, span))
    end

    return setmetatable({}, { __index = methods, __metatable = false }), nil
end

function otel.default_tracer()
    return otel.tracer()
end
