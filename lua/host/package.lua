-- Adds `require`, `module` and `package` to the base that base.lua made: finds and loads modules, each environment for itself.
-- A module is looked for in this order: the host's own, package.preload, bundled libraries, files on package.path, our own library files.
-- Arguments: G (the state's real globals), base, what base.lua shares with this file, settings {path}.
-- Returns: the table of the host's modules, the table of library modules (found last), the table of bundled libraries' texts,
-- compile(text, file), is_host_module(name).
local G, base, shared, settings = ...

local error, select, type = G.error, G.select, G.type
local getfenv, setfenv, setmetatable = G.getfenv, G.setfenv, G.setmetatable
local raw_pairs, raw_get, raw_set, raw_load = G.pairs, G.rawget, G.rawset, G.load
local concat = G.table.concat
-- Not those that scripts may replace for themselves: what is found and compiled here is for all.
local gmatch, gsub, match = G.string.gmatch, G.string.gsub, G.string.match
local bad_argument, is_file, not_here, own_record, read_file =
    shared.bad_argument, shared.is_file, shared.not_here, shared.own, shared.read_file

local modules = {} -- the host's own, by every name they have: always found first
local library_modules = {} -- files of ours that an operator's copy replaces: found last
local bundled = {} -- name → text of a library of others, which each environment loads for itself: such libraries protect nothing
local bundled_factories = {} -- name → factory, compiled when it is first asked for
local factories = {} -- path → factory of a required file, compiled once per state
local searched = {} -- package.path and name → file, or false
local LOADING = {}

-- A script may ask for any number of names, of files, and on any path. What is kept of the answers is bounded, and begun anew when full: names
-- and paths as long as people write, 1,000 of them are half a MiB; 1,000 files of some 20 KiB of bytecode are 20 MiB, more than any set-up has.
local KEPT_MAX = 1000
local NAME_BYTES_MAX = 512
local searched_count, factories_count = 0, 0

-- What the reference has and this server has not, with the reason. An operator's file of the same name is found all the same.
local NOT_BUILT = {
    channel = "there are no threads to talk to",
    chef = "use the module http",
    cloudwatch = "use the module http",
    plugin = "use post actions for work in the background",
    pprof = "use /metrics",
}

-- Each stage of a request has its own package.path, package.loaded and package.preload from its first use of them on.
local function own_package()
    local record = own_record()
    local own = record.package

    if not own then
        local env = getfenv(0)

        own = {
            path = settings.path,
            cpath = "",
            config = G.package.config,
            loaded = setmetatable({ _G = env }, { __index = modules, __metatable = false }),
            preload = {},
            loaders = {},
            seeall = function(t) setmetatable(t, { __index = env }) end,
            loadlib = not_here("package.loadlib", "native code is not loaded"),
        }
        record.package = own
    end

    return own
end

base.package = setmetatable({}, {
    __index = function(_, key) return own_package()[key] end,
    __newindex = function(_, key, value) own_package()[key] = value end,
    __metatable = false,
})
shared.stand_for(base.package, own_package)

for _, name in raw_pairs({ "string", "table", "math", "os", "io", "debug", "coroutine", "package" }) do
    modules[name] = base[name]
end

-- The file that a template of package.path means for a module.
local function file_of(template, name)
    return (gsub(template, "%?", (gsub(gsub(name, "%.", "/"), "%%", "%%%%"))))
end

local function find_file(name, path)
    local key = path .. "\0" .. name
    local found = searched[key]

    if found ~= nil then
        return found
    end

    found = false

    for template in gmatch(path, "[^;]+") do
        local file = file_of(template, name)

        if is_file(file) then
            found = file

            break
        end
    end

    if #key <= NAME_BYTES_MAX then
        if searched_count == KEPT_MAX then
            searched, searched_count = {}, 0
        end

        searched[key], searched_count = found, searched_count + 1
    end

    return found
end

-- A factory for a script: each call of it gives a new closure of the whole text, which can have an environment of its own. The text
-- is checked by itself first, so that nothing closes the factory's function early; it stays on line 1, so that line numbers hold.
local function compile(text, file)
    text = gsub(gsub(text, "^\239\187\191", ""), "^#[^\n]*", "") -- a byte order mark, a line for the shell

    local checked, err = raw_load(text, "@" .. file, "t")

    if not checked then
        return nil, err
    end

    return raw_load("return function(...) " .. text .. "\nend", "@" .. file, "t")
end

local function file_factory(file)
    local factory = factories[file]

    if not factory then
        local text, err = read_file(file)

        if not text then
            error(err, 0)
        end

        local err_compile
        factory, err_compile = compile(text, file)

        if not factory then
            error(err_compile, 0)
        end

        if factories_count == KEPT_MAX then
            factories, factories_count = {}, 0
        end

        factories[file], factories_count = factory, factories_count + 1
    end

    return factory
end

local function bundled_factory(name)
    local factory = bundled_factories[name]

    if not factory then
        factory = raw_load("return function(...) " .. bundled[name] .. "\nend", "=[host] " .. name, "t")
        bundled_factories[name] = factory
    end

    return factory
end

local function not_found(name, path)
    if NOT_BUILT[name] then
        error("module " .. name .. " is not part of this server: " .. NOT_BUILT[name], 3)
    end

    local lines = { "module " .. name .. " not found:", "\tno field package.preload['" .. name .. "']" }

    for template in gmatch(path, "[^;]+") do
        lines[#lines + 1] = "\tno file '" .. file_of(template, name) .. "'"
    end

    error(concat(lines, "\n"), 3)
end

local function run(factory, name)
    local chunk = factory()
    setfenv(chunk, getfenv(0))

    return chunk(name)
end

local function search(name)
    local own = own_package()
    local loaded = own.loaded
    local found = raw_get(loaded, name)

    if found == LOADING then
        error("loop or previous error loading module: " .. name, 3)
    elseif found ~= nil then
        return found
    end

    local preload = own.preload[name]
    local is_bundled = not preload and bundled[name] ~= nil
    local file = not preload and not is_bundled and find_file(name, own.path)

    if not preload and not is_bundled and not file then
        if library_modules[name] ~= nil then
            return library_modules[name]
        end

        not_found(name, own.path)
    end

    loaded[name] = LOADING

    local result

    if preload then
        result = preload(name)
    elseif is_bundled then
        result = run(bundled_factory(name), name)
    else
        result = run(file_factory(file), name)
    end

    if result ~= nil then
        loaded[name] = result
    elseif loaded[name] == LOADING then
        loaded[name] = true
    end

    return loaded[name]
end

function base.require(name)
    if type(name) == "number" then
        name = base.tostring(name)
    elseif type(name) ~= "string" then
        bad_argument(1, "require", "string", type(name))
    end

    local module = modules[name]

    if module ~= nil then
        return module
    end

    return search(name)
end

-- Lua 5.1's module(): the rest of the calling chunk defines a module table instead of globals.
function base.module(name, ...)
    local loaded = own_package().loaded
    local t = raw_get(loaded, name)

    if type(t) ~= "table" or t == LOADING then
        t = {}
    end

    loaded[name] = t
    getfenv(0)[name] = t
    t._M, t._NAME, t._PACKAGE = t, name, match(name, "^(.*%.)[^.]*$") or ""
    setfenv(2, t)

    for i = 1, select("#", ...) do
        (select(i, ...))(t)
    end
end

-- Whether a script that requires `name` gets what all others get: a module of the host, which none of them can change.
local function is_host_module(name)
    if name == "package" or name == "debug" then
        return false
    elseif modules[name] ~= nil then
        return true
    end

    return not bundled[name] and library_modules[name] ~= nil and not find_file(name, settings.path)
end

return modules, library_modules, bundled, compile, is_host_module
