-- Decides which scripts are pure, from their bytecode and before they run. Usually a script's top-level chunk runs for every call; the chunk of a
-- pure script may run once per state instead, since the difference has no observable effect. That saves a third of such a call.
--
-- Method. A script is pure if its top-level chunk, which is followed instruction by instruction and must have no jumps, only
-- 1. loads modules of the host by constant names,
-- 2. reads globals of the base, members of libraries and modules, and environment variables of the process by constant names,
-- 3. assigns constants, members and functions to locals, and to globals that the base does not define,
-- and if none of its functions, inner ones included, assigns globals or variables of an outer function, reads a global that neither the script nor
-- the base defines, or uses what reaches the environment or makes functions of text (REACHES_OUT). Then a call leaves nothing that the next call
-- could observe. Any other instruction makes the script impure: when in doubt its chunk runs per call.
--
-- Projection. For a pure script this file also finds the fields of the request that its entry function reads, if it uses its only parameter for
-- nothing but reading fields by constant names. Such a function gets a projected request table, which has these fields alone.
--
-- The bytecode is that of LuaJIT 2.1 (lj_bc.h). It is compared with a probe when a state is made: if it is different, no script is pure.
-- Arguments: G (the state's real globals), base, is_host_module(name), unprotected(table), a table that receives, by factory, what a script's
-- environment may hold of the base from the start: name → value.
-- Returns: examine(factory, entry function's name), which returns whether the script is pure, and the names of the fields, or nil.
local G, base, is_host_module, unprotected, given = ...

local band, rshift = G.bit.band, G.bit.rshift
local pairs, select, type = G.pairs, G.select, G.type
local util = G.require("jit.util")
local funcbc, funcinfo, funck = util.funcbc, util.funcinfo, util.funck

-- In the order of lj_bc.h.
local NAMES = {}

for name in
    ([[
    ISLT ISGE ISLE ISGT ISEQV ISNEV ISEQS ISNES ISEQN ISNEN ISEQP ISNEP ISTC ISFC IST ISF ISTYPE ISNUM MOV NOT UNM LEN
    ADDVN SUBVN MULVN DIVVN MODVN ADDNV SUBNV MULNV DIVNV MODNV ADDVV SUBVV MULVV DIVVV MODVV POW CAT
    KSTR KCDATA KSHORT KNUM KPRI KNIL UGET USETV USETS USETN USETP UCLO FNEW
    TNEW TDUP GGET GSET TGETV TGETS TGETB TGETR TSETV TSETS TSETB TSETM TSETR
    CALLM CALL CALLMT CALLT ITERC ITERN VARG ISNEXT RETM RET RET0 RET1
    FORI JFORI FORL IFORL JFORL ITERL IITERL JITERL LOOP ILOOP JLOOP JMP
    BNOT BAND BOR BXOR BSHL BSHR BSAR FUNCF IFUNCF JFUNCF FUNCV IFUNCV JFUNCV FUNCC FUNCCW
    ]]):gmatch("%u+")
do
    NAMES[#NAMES + 1] = name
end

-- One instruction: its name and operands (lj_bc.h: `B | C | A | OP` or `D | A | OP`); nil after the last.
local function instruction(proto, pc)
    local word = funcbc(proto, pc)

    if word then
        return NAMES[band(word, 0xff) + 1], band(rshift(word, 8), 0xff), rshift(word, 16), rshift(word, 24), band(rshift(word, 16), 0xff)
    end
end

-- The string, table or function that an operand names.
local function constant(proto, operand)
    return funck(proto, -operand - 1)
end

local LOADERS = { require = true, dynamic_loader = true }

-- What reaches the environment, or makes functions of text.
local REACHES_OUT = {
    _G = true,
    debug = true,
    dofile = true,
    getfenv = true,
    load = true,
    loadfile = true,
    loadstring = true,
    module = true,
    package = true,
    setfenv = true,
}

-- Whether the instruction at `pc`, which reads a loader, begins a call that loads a host module by a constant name.
local function loads_host_module(proto, pc, register)
    local op, to, operand = instruction(proto, pc + 1)

    if op ~= "KSTR" or to ~= register + 2 or not is_host_module(constant(proto, operand)) then
        return false
    end

    local call, from, _, _, arguments = instruction(proto, pc + 2)

    return call == "CALL" and from == register and arguments == 2
end

-- Whether the instruction at `pc` reads a table only to read one of its members. Then the table behind a proxy serves as well.
local function takes_member(proto, pc, register)
    local op, to, _, from = instruction(proto, pc + 1)

    return op == "TGETS" and to == register and from == register
end

-- Notes a global that is read, and whether only for its members.
local function note_read(reads, name, members_only)
    reads[name] = reads[name] ~= false and members_only
end

local CHANGES = { GSET = true, USETV = true, USETS = true, USETN = true, USETP = true }

-- Whether a function assigns neither globals nor variables of outer functions. Notes the globals that it reads.
local function is_pure(proto, reads)
    local pc = 1

    while true do
        local op, register, operand = instruction(proto, pc)

        if not op then
            return true
        elseif CHANGES[op] then
            return false
        elseif op == "FNEW" then
            if not is_pure(constant(proto, operand), reads) then
                return false
            end
        elseif op == "GGET" then
            local name = constant(proto, operand)

            if not LOADERS[name] then
                note_read(reads, name, takes_member(proto, pc, register))
            elseif not loads_host_module(proto, pc, register) then
                return false
            end
        end

        pc = pc + 1
    end
end

-- What a register of a top-level chunk may hold, besides strings and functions ({ proto = … }).
local CONSTANT, HOST, LIBRARY_OS, GETENV = {}, {}, {}, {}

-- The instructions of pure chunks. Each function takes the chunk so far and the operands, and returns false if the chunk is not pure.
local STEPS = {
    KSTR = function(chunk, to, operand) chunk.registers[to] = constant(chunk.proto, operand) end,
    KSHORT = function(chunk, to) chunk.registers[to] = CONSTANT end,
    KNUM = function(chunk, to) chunk.registers[to] = CONSTANT end,
    KPRI = function(chunk, to) chunk.registers[to] = CONSTANT end,
    MOV = function(chunk, to, from) chunk.registers[to] = chunk.registers[from] end,
    RET = function() end,
    RET0 = function() end,
    RET1 = function() end,
    -- Closes upvalues; the jump leads to the next instruction.
    UCLO = function(_, _, jump) return jump == 0x8000 end,

    KNIL = function(chunk, first, last)
        for register = first, last do
            chunk.registers[register] = CONSTANT
        end
    end,

    GGET = function(chunk, to, operand)
        local name = constant(chunk.proto, operand)

        if LOADERS[name] then
            chunk.registers[to] = name
            chunk.loader = loads_host_module(chunk.proto, chunk.pc, to)

            return chunk.loader
        elseif chunk.defined[name] then
            chunk.registers[to] = chunk.defined[name]
        elseif base[name] ~= nil and not REACHES_OUT[name] then
            note_read(chunk.reads, name, takes_member(chunk.proto, chunk.pc, to))
            chunk.registers[to] = name == "os" and LIBRARY_OS or HOST
        else
            return false
        end
    end,

    TGETS = function(chunk, to, _, from, name)
        local library = chunk.registers[from]

        if library == LIBRARY_OS and constant(chunk.proto, name) == "getenv" then
            chunk.registers[to] = GETENV
        elseif library == HOST or library == LIBRARY_OS then
            chunk.registers[to] = HOST
        else
            return false
        end
    end,

    CALL = function(chunk, to, _, results, arguments)
        if chunk.loader then
            chunk.loader = false
            chunk.registers[to] = HOST
        elseif chunk.registers[to] == GETENV and arguments == 2 and type(chunk.registers[to + 2]) == "string" then
            -- The environment of the process stays as it is.
            chunk.registers[to] = CONSTANT
        else
            return false
        end

        return results <= 2
    end,

    FNEW = function(chunk, to, operand)
        local proto = constant(chunk.proto, operand)
        chunk.registers[to] = { proto = proto }

        return is_pure(proto, chunk.reads)
    end,

    GSET = function(chunk, from, operand)
        local name = constant(chunk.proto, operand)
        chunk.defined[name] = chunk.registers[from]

        -- Globals of the base are shared by all scripts of a stage.
        return base[name] == nil and chunk.defined[name] ~= nil
    end,
}

-- What a script's top-level chunk defines; nil if the script is not pure.
local function definitions(factory)
    local proto = constant(factory, 0)
    local chunk = { proto = proto, pc = 1, registers = {}, defined = {}, reads = {}, loader = false }

    while true do
        local op, a, d, b, c = instruction(proto, chunk.pc)

        if not op then
            break
        end

        local step = STEPS[op]

        if not step or step(chunk, a, d, b, c) == false then
            return nil
        end

        chunk.pc = chunk.pc + 1
    end

    -- A global that neither the script nor the base defines may come from another script of the stage.
    local of_base = {}

    for name, members_only in pairs(chunk.reads) do
        if chunk.defined[name] == nil then
            if base[name] == nil or REACHES_OUT[name] then
                return nil
            end

            of_base[name] = members_only and unprotected(base[name]) or base[name]
        end
    end

    given[factory] = of_base

    return chunk.defined
end

-- How instructions use their operands (lj_bc.h: BCMode); each of these uses a register.
local DESTINATION, BASE, VARIABLE, READ_BASE = 1, 2, 3, 4
local RETURNS = { RET = true, RET1 = true }

-- Whether an instruction uses register 0, which holds the first parameter.
local function uses_first(op, mode, a, d, b, c)
    local mode_a, mode_b, mode_c = band(mode, 7), band(rshift(mode, 3), 15), band(rshift(mode, 7), 15)

    if a == 0 and (mode_a == DESTINATION or mode_a == BASE or mode_a == VARIABLE) then
        return true
    elseif a == 0 and RETURNS[op] and not (op == "RET" and d == 1) then
        return true
    elseif mode_b == 0 then
        return d == 0 and mode_c >= BASE and mode_c <= READ_BASE
    end

    local reads_b, reads_c = mode_b >= BASE and mode_b <= READ_BASE, mode_c >= BASE and mode_c <= READ_BASE

    return (b == 0 and reads_b) or (c == 0 and reads_c)
end

-- The fields that a function reads of its only parameter, if it uses it for nothing else.
local function fields_read(proto)
    local info = funcinfo(proto)

    if info.isvararg or info.params > 1 then
        return nil
    end

    local names, known, pc = {}, {}, 1

    while info.params == 1 do
        local op, a, d, b, c = instruction(proto, pc)

        if not op then
            break
        elseif op == "TGETS" and b == 0 and a ~= 0 then
            local name = constant(proto, c)

            if not known[name] then
                known[name] = true
                names[#names + 1] = name
            end
        elseif uses_first(op, select(2, funcbc(proto, pc)), a, d, b, c) then
            return nil
        elseif op == "TSETM" and a == 1 then
            return nil
        elseif op == "FNEW" and funcinfo(constant(proto, d)).upvalues > 0 then
            -- It may close over the parameter.
            return nil
        end

        pc = pc + 1
    end

    return names
end

local function examine(factory, entry)
    local defined = definitions(factory)

    if not defined then
        return false, nil
    end

    local run = defined[entry]

    return true, type(run) == "table" and run.proto and fields_read(run.proto) or nil
end

-- The names of a function's instructions.
local function listing(proto)
    local out, pc = {}, 0

    repeat
        out[#out + 1] = instruction(proto, pc)
        pc = pc + 1
    until #out < pc

    return G.table.concat(out, " ")
end

-- Whether this LuaJIT writes the bytecode that this file knows.
local function is_known_bytecode()
    local probe = G.load("local a = require('x').y function f() a = 1 g = a end return f")
    local _, _, operand = instruction(probe, 5)

    return listing(probe) == "FUNCV GGET KSTR CALL TGETS FNEW GSET GGET UCLO RET"
        and listing(constant(probe, operand)) == "FUNCF USETN UGET GSET RET"
end

if not is_known_bytecode() then
    return function() return false end
end

return examine
