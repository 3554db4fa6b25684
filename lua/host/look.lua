-- Looks a script over for what its author may have misspelt, without running it: the globals and members that it sets, and the members of the
-- host's constants that it reads. It reads the bytecode of LuaJIT 2.1 (lj_bc.h); the numbers of the few instructions that matter are taken from
-- probes. Should the bytecode be another than this file knows, it finds nothing.
-- Arguments: G (the state's real globals).
-- Returns: look(factory), which returns two tables: name → line of what is set or named anywhere, and a list of {constant, line}.
local G = ...

local band, rshift = G.bit.band, G.bit.rshift
local util = G.require("jit.util")
local funcbc, funcinfo, funck = util.funcbc, util.funcinfo, util.funck

local CONSTANTS = { nauthilus_builtin = true, nauthilus = true }

-- The opcode, A, D and C of an instruction (`B | C | A | OP` or `D | A | OP`); nil behind the last.
local function instruction(proto, pc)
    local word = funcbc(proto, pc)

    if word then
        return band(word, 0xff), band(rshift(word, 8), 0xff), rshift(word, 16), band(rshift(word, 16), 0xff), rshift(word, 24)
    end
end

-- The string or function that an operand names.
local function constant(proto, operand) return funck(proto, -operand - 1) end

local probe = G.load("local a = require('x').y function f() a = 1 g = a end return f")
local GGET, KSTR, TGETS, FNEW, GSET = instruction(probe, 1), instruction(probe, 2), instruction(probe, 4), instruction(probe, 5), instruction(probe, 6)
local TSETS = instruction(G.load("local t = {} t.x = t"), 2)

-- Whether the probes are what they were written for.
local function is_known_bytecode()
    local _, _, name = instruction(probe, 1)
    local _, _, text = instruction(probe, 2)
    local _, _, _, member = instruction(probe, 4)
    local _, _, defined = instruction(probe, 6)

    return constant(probe, name) == "require"
        and constant(probe, text) == "x"
        and constant(probe, member) == "y"
        and constant(probe, defined) == "f"
end

local function line_at(proto, pc) return funcinfo(proto, pc).currentline end

local function walk(proto, named, read)
    local pc, builtin = 1, nil

    while true do
        local op, a, d, c, b = instruction(proto, pc)

        if not op then
            return
        elseif op == FNEW then
            walk(constant(proto, d), named, read)
        elseif op == GSET or op == KSTR then
            local name = constant(proto, d)
            named[name] = named[name] or line_at(proto, pc)
        elseif op == TSETS then
            local name = constant(proto, c)
            named[name] = named[name] or line_at(proto, pc)
        elseif op == TGETS and b == builtin then
            read[#read + 1] = { constant(proto, c), line_at(proto, pc) }
        end

        -- The register that holds the table of constants, until the next instruction.
        builtin = op == GGET and CONSTANTS[constant(proto, d)] and a or nil
        pc = pc + 1
    end
end

if not G.pcall(is_known_bytecode) or not is_known_bytecode() then
    return function() return nil, nil end
end

return function(factory)
    local named, read = {}, {}
    walk(constant(factory, 0), named, read)

    return named, read
end
