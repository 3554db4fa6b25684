-- Runs one script inside its coroutine: environment, top-level chunk, entry function, results to the host.
-- All scripts of one stage of one request share a slot: its environment and its request table are made by the first of them.
-- Arguments: the protected base; the host functions that make the request table, take the results and note a missing function; what the
-- environment of a pure script may hold of the base from the start, by factory (purity.lua); the table of request tables, by slot.
-- Returns: drive(slot, factory, name, load); the table of environments, by slot, for the host to clear; the table of makers of projected
-- request tables, by factory, for the host to fill.
local base, make_request, collect, missing, given, requests = ...
local pairs, rawget, rawset, setfenv, setmetatable = pairs, rawget, rawset, setfenv, setmetatable

local envs, projected = {}, {}
local PER_CALL, PROJECTED = 0, 2 -- Load (script::entry)
local kept = {} -- environments of scripts that are loaded once per state (lua.config.reuse, purity.lua), by factory
local env_meta = { __index = base, __metatable = false }

local function environment()
    local env = setmetatable({}, env_meta)
    env._G = env

    return env
end

-- The entry function of a script whose top-level chunk has just run in `env`. A function left there by an earlier
-- script of the stage does not count.
local function load_into(env, factory, name)
    rawset(env, name, nil)
    setfenv(0, env)

    local chunk = factory()

    setfenv(chunk, env)
    chunk()

    return rawget(env, name)
end

-- The entry function of a script that is loaded once.
local function kept_entry(factory, name)
    local own = kept[factory]

    if not own then
        own = environment()

        -- A copy saves the look-up in the base. Pure scripts cannot observe the difference.
        for global, value in pairs(given[factory] or {}) do
            rawset(own, global, value)
        end

        load_into(own, factory, name)
        kept[factory] = own
    end

    setfenv(0, own)

    return rawget(own, name)
end

local function entry(slot, factory, name, load)
    if load ~= PER_CALL then
        return kept_entry(factory, name)
    end

    local env = envs[slot]

    if not env then
        env = environment()
        envs[slot] = env
    end

    return load_into(env, factory, name)
end

local function drive(slot, factory, name, load)
    if load == PROJECTED then
        local run = kept_entry(factory, name)

        return collect(run(projected[factory]()))
    end

    local request = requests[slot]

    if not request then
        request = make_request()
        requests[slot] = request
    end

    local run = entry(slot, factory, name, load)

    if run == nil then
        return missing()
    end

    -- Hooks take the session as second argument; the other entry functions ignore it.
    return collect(run(request, request.session))
end

return drive, envs, projected
