-- What argparse finds in place of os and io. It is made for commands: where it would end the process it raises here, and it says what it
-- has to say where print does. lua/vendor/argparse.lua follows this text.
local complaint = "argparse: the command is over"
local os = {
    exit = function()
        error(complaint, 0)
    end,
}
local io = {
    write = io.write,
    stdout = {
        write = function(_, ...)
            io.write(...)
        end,
    },
    stderr = {
        write = function(_, text)
            complaint = text:gsub("%s+$", "")
        end,
    },
}

