-- The library `debug`: what can reach neither other requests nor functions of the host.
-- Arguments: G (the state's real globals), base, shared (changes.lua, base.lua). Returns: the library.
local G, base, shared = ...

local type, floor = G.type, G.math.floor
local raw_getinfo, raw_getlocal, raw_sub = G.debug.getinfo, G.debug.getlocal, G.string.sub
local bad_argument, not_here = shared.bad_argument, shared.not_here

local function unavailable_in_debug(name)
    return not_here("debug." .. name, "it could reach other requests")
end

-- Whether a function, or what runs at a level, belongs to the host: a C function, or one in these files.
local function is_host(about)
    return about.what == "C" or raw_sub(about.source, 1, 7) == "=[host]"
end

-- A level as the caller of the calling function counts it, for a look-up by the calling function.
local function level_from_here(level, name)
    if type(level) ~= "number" then
        bad_argument(1, name, "number", type(level))
    end

    level = floor(level)

    return level >= 0 and level + 1 or level
end

-- For a level that belongs to the host the function itself is left out: it may do what scripts must not.
local function without_host_function(about)
    if about and about.func and is_host(raw_getinfo(about.func, "S")) then
        about.func = nil
    end

    return about
end

local function getinfo(...)
    local thread, what, options = ...

    if type(thread) ~= "thread" then
        what, options = ...

        if type(what) ~= "function" then
            what = level_from_here(what, "getinfo")
        end

        local about = raw_getinfo(what, options or "nSlufL")

        return type(what) == "function" and about or without_host_function(about)
    end

    if type(what) ~= "function" and type(what) ~= "number" then
        bad_argument(2, "getinfo", "number", type(what))
    end

    local about = raw_getinfo(thread, what, options or "nSlufL")

    return type(what) == "function" and about or without_host_function(about)
end

-- Only locals of functions of scripts.
local function getlocal(...)
    local thread, level, at = ...

    if type(thread) ~= "thread" then
        level, at = ...
        level = level_from_here(level, "getlocal")

        local about = raw_getinfo(level, "S")

        if about and is_host(about) then
            return nil
        end

        local name, value = raw_getlocal(level, at)

        return name, value
    end

    if type(level) ~= "number" then
        bad_argument(2, "getlocal", "number", type(level))
    end

    local about = raw_getinfo(thread, level, "S")

    if about and is_host(about) then
        return nil
    end

    return raw_getlocal(thread, level, at)
end

return {
    traceback = G.debug.traceback,
    getinfo = getinfo,
    getlocal = getlocal,
    getupvalue = unavailable_in_debug("getupvalue"),
    getfenv = base.getfenv,
    getmetatable = base.getmetatable,
    setfenv = base.setfenv,
    setlocal = unavailable_in_debug("setlocal"),
    setmetatable = unavailable_in_debug("setmetatable"),
    setupvalue = unavailable_in_debug("setupvalue"),
}
