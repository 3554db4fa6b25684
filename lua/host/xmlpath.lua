-- The Lua half of the module xmlpath: the objects. A node holds its document, so that the collector knows what it keeps alive.
local xmlpath = ...
local load, compile, select_places, text = xmlpath.load, xmlpath.compile, xmlpath.select, xmlpath.text
xmlpath.select, xmlpath.text = nil, nil

local DOCUMENT = setmetatable({}, { __mode = "k" }) -- node → its document
local PLACE = setmetatable({}, { __mode = "k" }) -- node → where it is in there
local PATH = setmetatable({}, { __mode = "k" }) -- path object → compiled path

local node_methods, path_methods = {}, {}
local NODE = { __index = node_methods, __metatable = false }
local PATH_OBJECT = { __index = path_methods, __metatable = false }

local function new_node(document, place)
    local node = setmetatable({}, NODE)
    DOCUMENT[node], PLACE[node] = document, place

    return node
end

local function check(value, known, position, name, expected)
    if value == nil or known[value] == nil then
        error("bad argument #" .. position .. " to " .. name .. " (" .. expected .. " expected, got " .. type(value) .. ")", 3)
    end
end

function node_methods.string(node)
    check(node, DOCUMENT, 1, "string", "xmlpath node")

    return text(nil, DOCUMENT[node], PLACE[node])
end

-- The list of the nodes that the path leads to from this one.
function path_methods.iter(path, node)
    check(path, PATH, 1, "iter", "xmlpath path")
    check(node, DOCUMENT, 2, "iter", "xmlpath node")

    local document = DOCUMENT[node]
    local nodes = select_places(PATH[path], document, PLACE[node])

    for at, place in ipairs(nodes) do
        nodes[at] = new_node(document, place)
    end

    return nodes
end

function xmlpath.load(page)
    local document, err = load(page)

    if not document then
        return nil, err
    end

    return new_node(document, 0)
end

function xmlpath.compile(path)
    local compiled, err = compile(path)

    if not compiled then
        return nil, err
    end

    local object = setmetatable({}, PATH_OBJECT)
    PATH[object] = compiled

    return object
end
