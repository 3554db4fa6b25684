-- The module loglevel: loggers DEBUG, INFO, WARN and ERROR, of which those below the level say nothing. Each environment has its own copy.
local log = require("log")

local NAMES = { "DEBUG", "INFO", "WARN", "ERROR" }
local loglevel = {}
local default_output = "STDERR"
local level

local silent = {
    print = function() end,
    println = function() end,
    printf = function() end,
    set_prefix = function() end,
    set_output = function() end,
    set_flags = function() end,
    close = function() end,
}

-- Takes effect on the loggers that the module has from now on; so does the default output.
function loglevel.set_level(name)
    local wanted = string.upper(tostring(name))
    local found

    for at, known in ipairs(NAMES) do
        if known == wanted then
            found = at
        end
    end

    if not found then
        error("unknown log level: " .. tostring(name), 2)
    end

    level = wanted

    for at, known in ipairs(NAMES) do
        loglevel[known] = at < found and silent or log.new(default_output, "[" .. known .. "] ", { date = true })
    end
end

function loglevel.get_level()
    return level
end

function loglevel.set_default_output(target)
    if type(target) ~= "string" then
        error("bad argument #1 to set_default_output (string expected, got " .. type(target) .. ")", 2)
    end

    default_output = target
end

function loglevel.default_output()
    return default_output
end

loglevel.set_level("INFO")

return setmetatable(loglevel, { __index = log })
