-- Protected tables: libraries and modules are handed out as proxies, and what a stage of a request writes to one is seen by that stage alone.
-- Arguments: G (the state's real globals), host (host functions by name).
-- Returns: the functions and tables that the other files of the host use.
local G, host = ...

local error, setmetatable = G.error, G.setmetatable
local raw_next, raw_get, raw_set = G.next, G.rawget, G.rawset
local raw_tostring = G.tostring

local REAL = setmetatable({}, { __mode = "k" }) -- proxy → the table behind it
local STAND_INS = {} -- proxy → function that gives the stage's own table, of which the proxy is a view; its REAL stays empty

local function stand_for(proxy, give)
    REAL[proxy], STAND_INS[proxy] = {}, give
end

-- The table behind a protected one; anything else is itself.
local function behind(t)
    local real = REAL[t]

    if real == nil then
        return t
    end

    return STAND_INS[t] and STAND_INS[t]() or real
end

-- What the scripts of one stage of one request own, by the number of the stage: changes of protected tables, packages, default files, a random
-- generator. The host (script::ffi::changes) removes a record when its stage has ended.
local records = {}

local function known()
    return records[host.stage()]
end

local function own()
    local stage = host.stage()
    local record = records[stage]

    if not record then
        host.record()
        record = { after = {}, before = {}, changes = 0 }
        records[stage] = record
    end

    return record
end

-- Changes: all requests of a state share the table behind a proxy. What a stage writes is in the table while one of its coroutines runs; the
-- host withdraws it whenever that coroutine pauses or ends. For all other requests the table is as it was made.
local NOTHING = {} -- in place of nil
local CHANGES_MAX = 1000 -- of one stage: ten times the largest collection of helpers; their keys leave empty places in the table
local running = {} -- of the running stage: `random`, its own random generator

local function change(proxy, key, value)
    local record, real = own(), REAL[proxy]

    if key == nil or key ~= key then
        error("table index is " .. raw_tostring(key), 2)
    elseif STAND_INS[proxy] then
        behind(proxy)[key] = value

        return
    elseif not record.after[real] then
        record.after[real], record.before[real] = {}, {}
    end

    local after, before = record.after[real], record.before[real]

    if after[key] == nil then
        if record.changes >= CHANGES_MAX then
            error("too many fields of library tables were changed (at most " .. CHANGES_MAX .. ")", 2)
        end

        local old = raw_get(real, key)
        record.changes, before[key] = record.changes + 1, old == nil and NOTHING or old
    end

    host.changed()
    after[key] = value == nil and NOTHING or value
    raw_set(real, key, value)
end

local function put(changes)
    for real, fields in raw_next, changes do
        for key, value in raw_next, fields do
            if value == NOTHING then
                value = nil
            end

            raw_set(real, key, value)
        end
    end
end

local function apply(stage)
    local record = records[stage]
    running.random = record.random
    put(record.after)
end

local function withdraw(stage)
    running.random = nil
    put(records[stage].before)
end

local function protect(real)
    local proxy = setmetatable({}, { __index = real, __newindex = change, __metatable = false })
    REAL[proxy] = real

    return proxy
end

return {
    REAL = REAL,
    change = change,
    known = known,
    own = own,
    protect = protect,
    running = running,
    stand_for = stand_for,
    unprotected = behind,
    -- For the host.
    apply = apply,
    records = records,
    withdraw = withdraw,
}
