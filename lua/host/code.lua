-- Functions that load code or run it protected. Only text is loaded, since LuaJIT does not check bytecode, and a chunk gets the environment of
-- the running request.
-- Arguments: G (the state's real globals), host (host functions by name), base, to which the functions are added, shared (changes.lua, base.lua).
local G, host, base, shared = ...

local error, type = G.error, G.type
local getfenv, setfenv = G.getfenv, G.setfenv
local raw_load, raw_xpcall, find, concat = G.load, G.xpcall, G.string.find, G.table.concat
local bad_argument = shared.bad_argument

local function read_all(read)
    local parts = {}

    while true do
        local part = read()

        if part == nil or part == "" then
            return concat(parts)
        end

        parts[#parts + 1] = part
    end
end

local function load_text(text, name)
    local chunk, err = raw_load(text, name, "t")

    if chunk then
        setfenv(chunk, getfenv(0))
    end

    return chunk, err
end

function base.load(source, name)
    if type(source) == "function" then
        source = read_all(source)
    elseif type(source) ~= "string" then
        bad_argument(1, "load", "function", type(source))
    end

    return load_text(source, name or "=(load)")
end

function base.loadstring(source, name)
    if type(source) ~= "string" then
        bad_argument(1, "loadstring", "string", type(source))
    end

    return load_text(source, name or source)
end

function base.loadfile(path)
    local text, err = host.read_file(path)

    if not text then
        return nil, err
    end

    return load_text(text, "@" .. path)
end

function base.dofile(path)
    local chunk, err = base.loadfile(path)

    if not chunk then
        error(err, 2)
    end

    return chunk()
end

-- LuaJIT itself says no more than "error in error handling" when a handler fails.
local function explained(ok, err, ...)
    if not ok and err == "error in error handling" then
        err = err .. ": the handler of xpcall failed itself (it cannot call functions that wait)"
    end

    return ok, err, ...
end

-- The watchdog raises from its hook, and no hook stops a handler that runs inside it: the handler is skipped for such errors.
function base.xpcall(f, handler, ...)
    local function handle(err)
        if type(err) == "string" and find(err, "context deadline exceeded", 1, true) then
            return err
        end

        return handler(err)
    end

    return explained(raw_xpcall(f, type(handler) == "function" and handle or handler, ...))
end
