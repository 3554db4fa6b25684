-- The library `coroutine`. A host function that waits inside a script's own coroutine yields PENDING outward, level by level.
-- Arguments: G (the state's real globals), PENDING, shared (base.lua). Returns: the library.
local G, PENDING, shared = ...

local error, setmetatable, type = G.error, G.setmetatable, G.type
local coroutine, bad_argument = G.coroutine, shared.bad_argument
local raw_resume, raw_yield, raw_create, raw_status = coroutine.resume, coroutine.yield, coroutine.create, coroutine.status
local running = coroutine.running

-- A coroutine inside a coroutine takes some of the thread's own stack; an overflow there would end the whole server.
local NESTED_MAX = 190 -- as many as C calls may nest in Lua 5.1
local nested = setmetatable({}, { __mode = "k" }) -- coroutine → how deep it runs

local function deeper(co, ...)
    local outer = running()
    local depth = (outer and nested[outer] or 0) + 1

    if depth > NESTED_MAX then
        return false, "C stack overflow"
    end

    nested[co] = depth

    return raw_resume(co, ...)
end

local function outward(co, ok, first, ...)
    if ok and first == PENDING then
        raw_yield(PENDING)

        return outward(co, deeper(co))
    end

    return ok, first, ...
end

local function resume(co, ...)
    if type(co) ~= "thread" then
        bad_argument(1, "resume", "thread", type(co))
    end

    return outward(co, deeper(co, ...))
end

local function checked(ok, ...)
    if not ok then
        error((...), 0)
    end

    return ...
end

local function wrap(f)
    local co = raw_create(f)

    return function(...)
        return checked(resume(co, ...))
    end
end

return {
    create = raw_create,
    resume = resume,
    running = coroutine.running,
    status = raw_status,
    wrap = wrap,
    yield = raw_yield,
}
