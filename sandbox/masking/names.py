"""Common given and family names of many countries, for invented people. Their order has no meaning."""

GIVEN_NAMES = tuple(
    """
    Aaron Abigail Ada Adam Adele Adrian Agata Agnes Aino Aisha Albert Aleksandra Alessandro Alexander Alexis Alfred Alice
    Alma Amalia Amanda Amelie Amir Anders Andrea Andrzej Angela Anita Annika Anton Antonia Antonio Arthur Astrid Asuka
    August Aurora Axel Barbara Beatriz Benedikt Benjamin Bernadette Bianca Birgit Boris Brandon Brenda Brigitte Bruno
    Camila Carla Carlos Carmen Caroline Catherine Cecilia Charles Charlotte Chidi Christian Christine Clara Claudia Colin
    Cora Cornelia Cyril Dagmar Daniel Daniela Daria Deborah Denis Diana Diego Dolores Dominik Donna Dorothea Douglas
    Eduardo Edward Elena Eleanor Elias Elisabeth Ella Ellen Emil Emilia Emma Eric Erika Ernst Esther Eugenia Eva Evelyn
    Fabian Fatima Felicia Felipe Felix Ferdinand Filip Finn Fiona Florence Florian Frances Francesco Franz Frederik Frida
    Gabriel Gabriela Georg George Gerda Gianna Gilbert Giulia Gloria Gordon Grace Gregor Gunnar Gustav Hanna Harald Harriet
    Hassan Hazel Hector Heidi Helen Helena Henrik Henry Hilda Hiroshi Holly Howard Ida Ignacio Igor Ilse Imani Ingrid Irene
    Iris Isabel Ivan Ivana Jack Jacob Jacqueline James Jana Janet Jasmin Jasper Javier Jean Jelena Jennifer Jeremy Jessica
    Joachim Joan Johanna Johannes Jonas Jonathan Jorge Josef Josephine Joshua Juan Judith Julia Julian Juliette Jun Justin
    Kaito Karen Karin Karl Katarina Kathleen Keiko Kevin Kirsten Klara Klaus Konrad Kristina Kwame Lara Laszlo Laura Lea
    Leila Lena Leo Leon Leonie Levi Liam Lidia Lily Linda Linus Lisa Livia Lorenzo Louis Louise Lucas Lucia Ludwig Luis
    Luisa Lydia Magdalena Maja Malik Manuel Marcel Marcus Margaret Maria Mariam Marina Mario Marlene Marta Martin Mary
    Mateo Mathilde Matthias Maximilian Megan Mei Melissa Michael Michelle Miguel Milena Milo Mina Miranda Miriam Mohammed
    Monica Nadia Naomi Natalia Nathan Nicholas Nicole Niklas Nina Nora Norbert Olaf Oleg Olga Oliver Olivia Omar Oscar
    Oskar Otto Pablo Pamela Patricia Patrick Paul Paula Pauline Pedro Peter Petra Philip Pia Pierre Rachel Rafael Raluca
    Ramona Raymond Rebecca Regina Renata Ricardo Richard Rita Robert Roberto Roland Roman Ronja Rosalie Ruth Sabine Salma
    Samira Samuel Sandra Sara Sebastian Selma Serena Sergio Sharon Sigrid Silvia Simon Simone Sofia Sonja Stefan Stella
    Stephen Susanna Sven Svetlana Sylvia Tamara Tanja Tatiana Teresa Thea Theodor Theresa Thomas Tilda Tobias Tomasz Ursula
    Valeria Vanessa Vera Veronika Victor Victoria Viktor Vincent Viola Virginia Vivian Walter Wanda Wilhelm William Yara
    Yasmin Yuki Yvonne Zofia Zuzana
    """.split()  # noqa: SIM905 - a list of words is read as such
)
FAMILY_NAMES = tuple(
    """
    Abbott Abe Adler Aguilar Ahmed Albrecht Alvarez Andersen Anderson Andrade Antonov Arnaud Arnold Asante Aydin Bailey
    Baker Balogh Barbosa Barker Barnes Bauer Baumann Becker Beckett Benitez Bennett Berger Bergmann Bernard Bertrand Bianco
    Bishop Blanchard Blom Bogdan Bonner Bosch Bouvier Bowman Brandt Brennan Brooks Brown Brunner Bruno Burke Burns Butler
    Cabrera Calderon Campbell Cardoso Carlsen Carpenter Carr Carter Castillo Castro Chandler Chapman Chen Chevalier
    Christensen Clarke Coleman Collins Conti Cooper Correia Costa Cox Craig Cruz Cunningham Dalton Daniels Danielsen Davies
    Dawson Delgado Demir Desai Diaz Dietrich Dijkstra Dixon Dominguez Donnelly Duarte Duncan Dupont Durand Edwards Egger
    Ekström Eliasson Ellis Engel Erdem Escobar Esposito Evans Fabre Falk Farkas Faure Ferrari Ferreira Fischer Fisher
    Fletcher Flores Fontaine Forsberg Foster Fournier Fowler Franke Freeman Friedrich Fuchs Fuentes Fujita Gallagher Gallo
    Garcia Gardner Garnier Garrett Gauthier Gentile Gibson Gilbert Girard Goldberg Gomez Goncalves Goodman Gordon Graf
    Graham Grant Greco Greene Griffin Gruber Guerrero Guerin Gupta Gustafsson Haas Hahn Hall Hamilton Hammer Hansson Harper
    Harris Hartmann Harvey Hassan Hayashi Hayes Heikkinen Heinrich Henderson Henry Herrera Herrmann Hess Higgins Hill
    Hoffmann Hofer Holm Holmes Horvat Horvath Hubert Hughes Hunter Ibrahim Ionescu Ito Ivanov Jackson Jacobs Jacobsen Jaeger
    Jankowski Jansen Jensen Jimenez Johansen Johansson Johnson Jonsson Jordan Joubert Juhasz Kaiser Kaminski Kang Karlsson
    Kaufmann Kaya Keller Kelly Kennedy Kim Kimura King Kirchner Klein Knight Kobayashi Koch Koenig Koskinen Kovac Kovacs
    Kraft Kramer Krause Kristensen Kruger Kuhn Kumar Kurz Lambert Lang Lange Larsen Larsson Laurent Lawson Leclerc Legrand
    Lehmann Lehtonen Leroy Lewis Lind Lindberg Linden Lombardi Lopez Lorenz Ludwig Lukacs Lund Lundgren Maas MacDonald Maier
    Makinen Marchetti Marino Marshall Martens Martin Martinez Mason Mathieu Matthews Mayer Mazur McCarthy Medina Meier
    Mendes Mendoza Mercier Messina Meyer Michaud Mills Mitchell Molina Monteiro Moore Morales Moreau Moreno Moretti Morgan
    Moser Mueller Murphy Murray Nagy Nakamura Navarro Nelson Neumann Newman Nguyen Nielsen Niemi Nilsson Noel Norris Novak
    Novotny Nunes Obrien Oconnor Okafor Okoye Oliveira Olsen Olsson Ortega Ortiz Osman Ott Owens Ozturk Palmer Papadakis
    Parker Patel Pavlov Pearson Pedersen Pereira Perez Perrin Petersen Peterson Petit Petrov Pfeiffer Phillips Pichler
    Pinto Popescu Porter Powell Price Quinn Ramirez Ramos Rasmussen Reed Reid Reinhardt Renaud Reyes Ribeiro Ricci Richard
    Richter Riley Rinaldi Rivera Robert Roberts Robinson Rocha Roche Rodriguez Rogers Romano Romero Roth Rousseau Roux Roy
    Russell Russo Ryan Saito Salazar Salminen Samuelsson Sanchez Sanders Santoro Santos Sato Sauer Schmidt Schmitt Schneider
    Schubert Schulz Schuster Schwarz Seidel Serra Shaw Silva Simmons Simon Singh Sjoberg Smirnov Smith Sokolov Soto Souza
    Spencer Stein Steiner Stewart Stone Strand Suarez Sullivan Suzuki Svensson Szabo Takahashi Tanaka Taylor Thomas
    Thompson Torres Toth Tran Tremblay Tucker Turner Urban Vaccaro Valdez Vargas Varga Vasquez Vega Vidal Vincent Virtanen
    Vogel Vogt Volkov Wagner Walker Wallace Walsh Wang Ward Watanabe Watson Weaver Weber Wegner Welch Wells Werner West
    Wheeler White Wieczorek Wilhelm Williams Wilson Winkler Winter Wolf Wood Wright Yamada Yamamoto Yang Yildiz Young Zamora
    Zanetti Zapata Zeller Ziegler Zimmer
    """.split()  # noqa: SIM905 - a list of words is read as such
)
# Further common names, used only to detect columns of names.
MORE_GIVEN_NAMES = tuple(
    """
    Aaliyah Abdul Abdullah Addison Adriana Agnieszka Ahmed Alan Alejandro Alex Alexandra Ali Alison Allison Alyssa Amy
    Ana Andre Andreas Andrei Andrew Andy Ann Anna Anne Annie Anthony April Ashley Ava Barry Beatrice Ben Bernard Bernd
    Bernhard Beth Betty Beverly Bill Billy Bob Bobby Brad Bradley Brian Brittany Brooke Bryan Caleb Carl Carol Carolyn
    Casey Catalina Chad Charlie Cheryl Chiara Chloe Chris Christina Christof Christoph Christopher Cindy Claire Clarence
    Connor Craig Crystal Curtis Cynthia Dale Dan Danielle Danny Darren Dave David Dean Debra Dennis Derek Diane Dieter Dirk
    Don Donald Dorothy Doug Dylan Earl Eddie Elif Elizabeth Elsa Emily Eric Erik Erin Ethan Eugene Eva Felipe Fernando
    Francis Francisco Francois Frank Fred Gary Gavin George Gerald Gerhard Giovanni Giuseppe Glen Glenn Greg Gregory
    Greta Guillaume Guy Hans Harold Harry Heather Heike Heinz Helmut Herbert Horst Hugo Ian Ines Isabella Isaac Jackson
    Jaime Jake Jamie Jan Jane Janice Jason Jay Jeff Jeffrey Jerry Jesse Jesus Jill Jim Jimmy Joe Joel Johan John Johnny
    Jon Jordan Jose Joseph Joyce Juergen Justin Jutta Katarzyna Kate Katherine Kathy Katja Katrin Keith Kelly Ken Kenneth
    Kim Kimberly Kyle Lars Larry Lauren Laurent Lawrence Lee Lisa Logan Lori Luca Luis Luke Lynn Madison Malgorzata Manfred
    Marc Marco Margarita Marie Marilyn Marion Mark Markus Marta Martha Martina Mason Mathieu Matt Matthew Max Maya Mia Mike
    Mohamed Mohammad Monika Muhammad Nancy Natalie Nathalie Nick Nicolas Noah Noel Ophelia Oceane Pat Patty Pauline Penny
    Phil Phillip Pierre Pieter Quentin Rainer Ralf Ralph Randy Ray Reinhard Rick Rob Robin Rodney Roger Ron Ronald Rosa Rose
    Roy Russell Ryan Sally Sam Samantha Sarah Scott Sean Sergei Shane Shannon Shawn Sheila Shirley Silke Sofie Sophia Sophie
    Soren Stefanie Stephan Stephanie Steve Steven Stuart Sue Susan Susanne Suzanne Takashi Ted Terry Theo Thorsten Tiffany
    Tim Timothy Tina Todd Tom Tony Tracy Travis Troy Tyler Ulla Ulrich Ursula Uwe Valentina Wayne Wei Wendy Werner Willem
    Willie Wolfgang Xavier Yusuf Zachary Zoe
    """.split()  # noqa: SIM905 - a list of words is read as such
)
